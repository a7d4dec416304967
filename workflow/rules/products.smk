"""What an astronomer takes away from a trained model."""


rule fit_prior:
    input:
        model=rules.train.output.model,
        objects=rules.prepare.output.objects,
        augmented=rules.augment.output.augmented,
    output:
        prior=f"{MODEL}/prior.safetensors",
        reference=f"{MODEL}/reference.safetensors",
    log:
        f"{MODEL}/logs/fit-prior.log",
    benchmark:
        f"{MODEL}/benchmarks/fit-prior.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 8
    resources:
        mem_mb=growing(6000),
        runtime=growing(30),
    params:
        settings=params("fit-prior"),
    shell:
        "python -m astro_vae step fit-prior --settings {params.settings:q} --model {input.model:q}"
        " --objects {input.objects:q} --augmented {input.augmented:q} --out {output.prior:q} > {log:q} 2>&1"


rule encode:
    input:
        model=rules.train.output.model,
        prior=rules.fit_prior.output.prior,
        reference=rules.fit_prior.output.reference,
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
    output:
        **{x: f"{MODEL}/latents.{x}" for x in ("fits", "parquet", "vot")},
    log:
        f"{MODEL}/logs/encode.log",
    benchmark:
        f"{MODEL}/benchmarks/encode.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 8
    resources:
        mem_mb=growing(6000),
        runtime=growing(60),
    params:
        settings=params("encode"),
    shell:
        "python -m astro_vae step encode --settings {params.settings:q} --model {input.model:q} --prior {input.prior:q}"
        " --objects {input.objects:q} --split {input.split:q} --out {output.fits:q} > {log:q} 2>&1"


rule generate:
    input:
        model=rules.train.output.model,
        prior=rules.fit_prior.output.prior,
        reference=rules.fit_prior.output.reference,
    output:
        h5=f"{MODEL}/samples.h5",
        fits=f"{MODEL}/samples.fits",
        tracks=f"{MODEL}/tracks.fits",
        interpolations=f"{MODEL}/interpolations.png",
        traversals=f"{MODEL}/traversals.png",
        grid=report(
            f"{MODEL}/samples.png",
            caption="../report/samples.rst",
            category="{survey}",
        ),
    log:
        f"{MODEL}/logs/generate.log",
    benchmark:
        f"{MODEL}/benchmarks/generate.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings=params("generate"),
    shell:
        "python -m astro_vae step generate --settings {params.settings:q} --model {input.model:q}"
        " --prior {input.prior:q} --out {output.h5:q} > {log:q} 2>&1"


rule rank:
    input:
        model=rules.train.output.model,
        prior=rules.fit_prior.output.prior,
        reference=rules.fit_prior.output.reference,
        latents=f"{MODEL}/latents.parquet",
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
    output:
        **{x: f"{MODEL}/anomalies.{x}" for x in ("fits", "parquet", "csv", "reg")},
        residuals=f"{MODEL}/residuals.safetensors",
        gallery=report(
            f"{MODEL}/anomalies.png",
            caption="../report/anomalies.rst",
            category="{survey}",
        ),
    log:
        f"{MODEL}/logs/rank.log",
    benchmark:
        f"{MODEL}/benchmarks/rank.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 8
    resources:
        mem_mb=growing(6000),
        runtime=growing(60),
    params:
        settings=params("rank"),
    shell:
        "python -m astro_vae step rank --settings {params.settings:q} --model {input.model:q} --prior {input.prior:q}"
        " --latents {input.latents:q} --objects {input.objects:q} --split {input.split:q}"
        " --out {output.fits:q} > {log:q} 2>&1"


rule evaluate:
    input:
        latents=f"{MODEL}/latents.parquet",
        anomalies=f"{MODEL}/anomalies.parquet",
        samples=f"{MODEL}/samples.h5",
        model=rules.train.output.model,
        prior=rules.fit_prior.output.prior,
        reference=rules.fit_prior.output.reference,
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
        augmented=rules.augment.output.augmented,
        classifier=rules.classifier.output.folder,
    output:
        metrics=f"{MODEL}/metrics.json",
        reconstructions=f"{MODEL}/reconstructions.png",
    log:
        f"{MODEL}/logs/evaluate.log",
    benchmark:
        f"{MODEL}/benchmarks/evaluate.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 8
    resources:
        mem_mb=growing(6000),
        runtime=growing(60),
    params:
        settings=params("evaluate"),
        folder=folder_of_output,
    shell:
        "python -m astro_vae step evaluate --settings {params.settings:q} --folder {params.folder:q}"
        " --objects {input.objects:q} --split {input.split:q} --classifier {input.classifier:q}"
        " --out {output.metrics:q} > {log:q} 2>&1"
