"""From hundreds of objects to hundreds of thousands of examples, and the judge trained on them."""


rule augment:
    input:
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
    output:
        augmented=f"{SURVEY}/augmented.h5",
    log:
        f"{SURVEY}/logs/augment.log",
    benchmark:
        f"{SURVEY}/benchmarks/augment.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        settings=params("augment"),
    shell:
        "python -m astro_vae step augment --settings {params.settings:q} --objects {input.objects:q}"
        " --split {input.split:q} --out {output.augmented:q} 2>&1 | tee {log:q}"


rule classifier:
    input:
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
        augmented=rules.augment.output.augmented,
    output:
        folder=directory(f"{SURVEY}/classifier"),
    log:
        f"{SURVEY}/logs/classifier.log",
    benchmark:
        f"{SURVEY}/benchmarks/classifier.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 8
    resources:
        mem_mb=growing(6000),
        runtime=growing(60),
    params:
        settings=params("classifier"),
    shell:
        "python -m astro_vae step classifier --settings {params.settings:q} --objects {input.objects:q}"
        " --split {input.split:q} --augmented {input.augmented:q} --out {output.folder:q} > {log:q} 2>&1"
