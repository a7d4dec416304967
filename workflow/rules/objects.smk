"""From the archive to a table of objects, divided into training, validation and test."""


rule download:
    input:
        tables,
    output:
        manifest=f"{SURVEY}/manifest.csv",
    log:
        f"{SURVEY}/logs/download.log",
    benchmark:
        f"{SURVEY}/benchmarks/download.tsv"
    retries: 2
    # On a cluster it runs where the workflow is started: compute nodes often have no network.
    localrule: True
    conda:
        "../envs/astro_vae.yaml"
    params:
        settings=params("download"),
        folder=folder,
    shell:
        "python -m astro_vae step download --settings {params.settings:q} --folder {params.folder:q}"
        " --out {output.manifest:q} > {log:q} 2>&1"


rule prepare_block:
    input:
        manifest=rules.download.output.manifest,
    output:
        part=temp(f"{SURVEY}/prepare-{{number}}-of-{{total}}.h5"),
    log:
        f"{SURVEY}/logs/prepare-{{number}}-of-{{total}}.log",
    benchmark:
        f"{SURVEY}/benchmarks/prepare-{{number}}-of-{{total}}.tsv"
    conda:
        "../envs/astro_vae.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        settings=params("prepare"),
        folder=folder,
    shell:
        "python -m astro_vae step prepare-block --settings {params.settings:q} --folder {params.folder:q}"
        " --manifest {input.manifest:q} --number {wildcards.number} --total {wildcards.total}"
        " --out {output.part:q} > {log:q} 2>&1"


# Where blocks were prepared, their files follow the manifest in the command.
rule prepare:
    input:
        manifest=manifest_and_parts,
    output:
        objects=f"{SURVEY}/objects.h5",
    log:
        f"{SURVEY}/logs/prepare.log",
    benchmark:
        f"{SURVEY}/benchmarks/prepare.tsv"
    conda:
        "../envs/astro_vae.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        settings=params("prepare"),
        folder=folder,
    shell:
        "python -m astro_vae step prepare --settings {params.settings:q} --folder {params.folder:q}"
        " --manifest {input.manifest:q} --out {output.objects:q} > {log:q} 2>&1"


rule split:
    input:
        objects=rules.prepare.output.objects,
        parts=parts,
    output:
        split=f"{SURVEY}/split.csv",
    log:
        f"{SURVEY}/logs/split.log",
    benchmark:
        f"{SURVEY}/benchmarks/split.tsv"
    conda:
        "../envs/astro_vae.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        settings=params("split"),
    shell:
        "python -m astro_vae step split --settings {params.settings:q} --objects {input.objects:q}"
        " --out {output.split:q} > {log:q} 2>&1"
