"""Train each model of the settings."""


# Checkpoints lie in {model}/checkpoints, which is no output: Snakemake deletes outputs of a stopped job.
rule train:
    input:
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
        augmented=rules.augment.output.augmented,
    output:
        model=directory(f"{MODEL}/model"),
    log:
        f"{MODEL}/logs/train.log",
    benchmark:
        f"{MODEL}/benchmarks/train.tsv"
    conda:
        "../envs/astro_vae.yaml"
    threads: 16
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
    params:
        settings=params("train"),
    # A job that is stopped signals all of its processes. The shell must wait and `tee` must listen until the
    # training has written its checkpoint and said so.
    # glibc gives freed pages back to the system at every step unless told not to; the first environment
    # variables keep them, which is up to 1.7 times as fast.
    shell:
        "trap : INT TERM; export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456;"
        " python -m astro_vae step train --settings {params.settings:q} --objects {input.objects:q}"
        " --split {input.split:q} --augmented {input.augmented:q} --out {output.model:q} 2>&1"
        " | (trap '' INT TERM; exec tee {log:q})"
