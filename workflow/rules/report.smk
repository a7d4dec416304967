"""Models side by side, and one page per survey."""


rule compare:
    input:
        of_models(f"{RESULTS}/{{survey}}/{{model}}/metrics.json"),
    output:
        table=f"{SURVEY}/comparison.csv",
        figure=report(
            f"{SURVEY}/comparison.png",
            caption="../report/comparison.rst",
            category="{survey}",
        ),
    log:
        f"{SURVEY}/logs/compare.log",
    benchmark:
        f"{SURVEY}/benchmarks/compare.tsv"
    localrule: True
    conda:
        "../envs/astro_vae.yaml"
    shell:
        "python -m astro_vae step compare {input:q} --out {output.table:q} > {log:q} 2>&1"


rule report:
    input:
        comparison=rules.compare.output.table,
        objects=rules.prepare.output.objects,
        split=rules.split.output.split,
    output:
        page=report(
            f"{SURVEY}/report.html", caption="../report/page.rst", category="{survey}"
        ),
    log:
        f"{SURVEY}/logs/report.log",
    benchmark:
        f"{SURVEY}/benchmarks/report.tsv"
    conda:
        "../envs/astro_vae.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=params("report"),
        folder=folder_of_output,
    shell:
        "python -m astro_vae step report --settings {params.settings:q} --folder {params.folder:q}"
        " --out {output.page:q} > {log:q} 2>&1"
