"""``lexel answer``: answer questions with spans of their contexts."""

from __future__ import annotations

from lexel.cli.options.answer import AnswerOutputOptions, QuestionOptions, SpanOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    Files,
    HeadOptions,
    MessageOptions,
    Script,
    grouped,
)
from lexel.cli.terminal.messages import reported


@grouped
def answer(
    *,
    files: Files = None,
    model: HeadOptions,
    questions: QuestionOptions,
    script: Script = "as-is",
    spans: SpanOptions,
    output: AnswerOutputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Answer questions with spans of a text.

    With --question, each file is one text of any length. Without it, files
    hold questions: JSON lines with question and context, or SQuAD JSON. On
    a terminal, answers are highlighted in their context. Pipes and files
    get JSON lines.

    [dim]One question about a text:[/]
    [bold]lexel answer -m owner/qa-model --question 他在哪里出生? life.txt[/]

    [dim]A file of questions, some of which may have no answer:[/]
    [bold]lexel answer -m owner/qa-model --null-threshold 0 dev.json -o dev.jsonl[/]
    """
    with reported(messages):
        from lexel.cli.jobs.answering import load_answerer, plan_answers

        job = plan_answers(files, questions, output=output)
        answerer = load_answerer(model, spans, questions=questions, script=script, compute=compute, messages=messages)
        job.run(answerer, is_quiet=messages.quiet)
