"""From the archive to an anomaly ranking: one way through, for every survey of the configuration."""

from snakemake.utils import min_version

min_version("9.0")


# A file given on the command line stands alone: Snakemake would lay it over this one.
if not workflow.configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# Used with `--software-deployment-method apptainer` only; workflow/envs/astro_vae.def makes it.
container: "workflow/envs/astro_vae.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/objects.smk"
include: "workflow/rules/examples.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/products.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        of_surveys("report.html"),
    localrule: True


# What needs the network, and nothing else.
rule downloads:
    input:
        of_surveys("manifest.csv"),
    localrule: True
