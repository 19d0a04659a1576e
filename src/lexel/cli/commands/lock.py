"""``lexel lock``: pin models by the checksums of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lexel.cli.options.groups import MessageOptions, grouped
from lexel.cli.options.lock import Models, OwnText, Update, Write
from lexel.cli.terminal.messages import note, reported
from lexel.errors import OptionError

if TYPE_CHECKING:
    from lexel.trust.lock import Lock
    from lexel.trust.policy import Policy


@grouped
def lock(
    *,
    models: Models = None,
    update: Update = False,
    write: Write = False,
    text: OwnText = None,
    messages: MessageOptions,
) -> None:
    """Write models into lexel.lock: commit, checksums, licence, labels.

    It also stores the results on twenty fixed sentences, so that an
    update shows which decisions change. --locked, and locked = true in the
    policy, refuse every model that is not exactly what was locked.

    [dim]Pin a model:[/]
    [bold]lexel lock dslim/bert-base-NER@main[/]

    [dim]What would a newer one change, on your own text too?[/]
    [bold]lexel lock --update --text sample.txt[/]
    """
    with reported(messages):
        if not models and not update:
            raise typer.BadParameter("expected models to lock, or --update", param_hint="MODELS")
        if (write or text) and not update:
            raise OptionError("--write and --text: go with --update; leave them out")

        from lexel.trust import lock as locks
        from lexel.trust.policy import current_policy

        path, policy = locks.lock_path(), current_policy()
        held = locks.read_lock(path) if path.exists() or not models else locks.Lock(path)
        if models:
            held = _add(models, held, policy)
        if update:
            _update(held, policy, text=text, is_written=write)


def _add(models: list[str], held: Lock, policy: Policy) -> Lock:
    from lexel.locking.make import lock_model
    from lexel.trust.lock import write_lock

    for model in models:
        entry = lock_model(model, folder=held.path.parent, policy=policy)
        held = held.with_models([entry])
        size = sum(file["bytes"] for file in entry.files.values())
        note(f"{entry.name}: {entry.commit or 'a folder'}, {len(entry.files)} files, {size / 1e6:,.1f} MB")
    write_lock(held)
    note(f"{held.path}: written, {len(held.models)} models")
    return held


def _update(held: Lock, policy: Policy, *, text: str | None, is_written: bool) -> None:
    from lexel.data.files import LineReader
    from lexel.locking.make import update
    from lexel.trust.lock import write_lock

    texts = []
    if text is not None:
        texts = [line for line in LineReader(text) if line.strip()]
    changes = update(held, policy=policy, texts=texts)
    for change in changes:
        print(f"{change.before.name}: {'no change' if not change.lines else ''}".rstrip(" "))
        for line in change.lines:
            print(f"  {line}")
    if is_written:
        write_lock(held.with_models(change.after for change in changes))
        note(f"{held.path}: written")
