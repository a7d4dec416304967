"""What the rules share: the validated settings, the paths, and each step's one parameter."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(workflow.basedir))

from astro_vae import plan, surveys
from astro_vae.errors import UserError

try:
    RUN = surveys.settings_of(config, Path(workflow.configfiles[-1]))
except UserError as error:
    raise WorkflowError(str(error)) from None

# Rules call `python`: the one that runs this workflow, whether or not its environment is activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", "")]),
    ASTRO_VAE_EXECUTION=RUN.execution.model_dump_json(),
)

RESULTS = f"results/{RUN.run}"
SURVEY = f"{RESULTS}/{{survey}}"
MODEL = f"{SURVEY}/{{model}}"


wildcard_constraints:
    survey="|".join(RUN.surveys),
    model="|".join(sorted({m for s in RUN.surveys.values() for m in s.models})),


def params(step):
    """Give the function that makes the one parameter of a rule: JSON of what its step sees."""

    def text(wildcards):
        return plan.params(
            RUN, step, wildcards.survey, getattr(wildcards, "model", None)
        )

    return text


def growing(amount):
    """Give the function that asks for `amount` at first and as much more at each retry, which is a new job."""

    def asked(wildcards, attempt):
        return attempt * amount

    return asked


def folder(wildcards):
    """Downloads lie in a folder per survey module, shared by all runs."""
    return f"data/{RUN.surveys[wildcards.survey].source.survey}"


def manifest_and_parts(wildcards):
    """List the manifest, and where several jobs share the survey's files what each of them makes."""
    place = f"{RESULTS}/{wildcards.survey}"
    shared = surveys.in_blocks(RUN.surveys[wildcards.survey].source.survey)
    total = RUN.execution.blocks if shared else 1
    numbers = range(1, total + 1) if total > 1 else ()
    return [
        f"{place}/manifest.csv",
        *(f"{place}/prepare-{number}-of-{total}.h5" for number in numbers),
    ]


def tables(wildcards):
    """List the person's own tables that a survey reads: an edit of one is another survey."""
    source = RUN.surveys[wildcards.survey].source
    own = getattr(surveys.survey(source.survey), "tables", lambda _: [])(source)
    return [str(path) for path in own if path.is_file()]


def parts(wildcards):
    """List the person's own table of parts: an edit of it is another split."""
    table = Path(RUN.surveys[wildcards.survey].split.table).expanduser()
    return [str(table)] if table.is_file() else []


def folder_of_output(_, output):
    """Give the folder that a step reads and writes in."""
    return str(Path(output[0]).parent)


def of_models(pattern):
    """Give the function that lists a file of every model of a survey."""

    def paths(wildcards):
        return [
            pattern.format(survey=wildcards.survey, model=m)
            for m in RUN.surveys[wildcards.survey].models
        ]

    return paths


def of_surveys(name):
    """List a file of every survey."""
    return [f"{RESULTS}/{survey}/{name}" for survey in RUN.surveys]
