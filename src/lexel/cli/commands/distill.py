"""``lexel distill``: train a smaller model from a larger one, and measure the loss."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lexel.cli.options.distill import Data, Dev, Heads, HeldOut, LearningOptions, SizeOptions, Text
from lexel.cli.options.groups import MessageOptions, grouped, option
from lexel.cli.terminal.messages import note, reported

_LEARNING = "Learning"


@grouped
def distill(
    *,
    teacher: Annotated[str, typer.Argument(metavar="TEACHER", help="A model folder, or a hub id.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder to make.")],
    text: Text = None,
    data: Data = None,
    dev: Dev = None,
    held_out: HeldOut = None,
    heads: Heads = None,
    size: SizeOptions,
    learning: LearningOptions,
    save_recipe: Annotated[
        str | None,
        option("--save-recipe", panel=_LEARNING, value="FILE", help="Write the options as a recipe for lexel train."),
    ] = None,
    messages: MessageOptions,
) -> None:
    """Train a smaller model to imitate a larger one.

    The student learns from the teacher's predictions on raw text. The loss
    of accuracy and the gain in speed are measured and printed. Run the same
    command again to resume.

    [bold]lexel distill my-model small --text news.txt --dev dev.jsonl
    --num-hidden-layers 2[/]
    """
    with reported(messages):
        from lexel.cli.jobs.training import check_extra, is_first_process, train_with

        check_extra()
        if not (text or data):
            raise typer.BadParameter("expected --text, or --data", param_hint="--text")

        from lexel.training.students import measure_student, student_options

        sizes, learnt = _given(size), _given(learning)
        if "vocabulary" in sizes:
            learnt["vocabulary"] = sizes.pop("vocabulary")
        options = student_options(
            teacher,
            out,
            texts=text or (),
            data=data or (),
            dev=dev or (),
            heads=None if heads is None else [name.strip() for name in heads.split(",")],
            sizes=sizes,
            learning=learnt,
        )
        if save_recipe is not None:
            from lexel.training.config.recipe import write_recipe

            write_recipe(options, save_recipe)
        train_with(options, is_quiet=messages.quiet or not is_first_process())
        if is_first_process():
            from lexel.evaluation.cost.cost import described_student

            for line in described_student(measure_student(options, held_out=held_out)):
                note(line)


def _given(options: Any) -> dict[str, Any]:
    return {name: value for name in options.__slots__ if (value := getattr(options, name)) is not None}
