"""``lexel check``: check models against the policy and the lock."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import typer

from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.options.check import CheckOptions, Models
from lexel.cli.options.groups import MessageOptions, grouped
from lexel.cli.terminal.messages import note, reported
from lexel.cli.terminal.statuses import FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lexel.trust.findings import Finding


@grouped
def check(*, models: Models = None, asked: CheckOptions, messages: MessageOptions) -> None:
    """Check models against the policy and the lock, without loading them.

    The policy is the table [policy] of lexel.toml, or [tool.lexel.policy] of
    pyproject.toml. Exit status 1: a model would be refused.

    [dim]May this model be used here?[/]
    [bold]lexel check dslim/bert-base-NER@main[/]

    [dim]In CI: every locked model, as SARIF:[/]
    [bold]lexel check --lock --to sarif --out lexel.sarif[/]
    """
    with reported(messages):
        if not models and not asked.lock:
            raise typer.BadParameter("expected models to check, or --lock", param_hint="MODELS")
        check_outputs(asked.out, inputs=[asked.policy])
        where, named, findings = _check(models or [], asked)
        if asked.out is not None:
            from lexel.data.files import open_output

            with open_output(asked.out) as output:
                output.write(_text(_report(findings, asked, named, where=where)))
            note(f"{asked.out}: written")
        elif asked.to == "terminal":
            _show(findings, named)
        else:
            print(_text(_report(findings, asked, named, where=where)), end="")
        refused = len({finding.model for finding in findings if finding.refuses})
        note(f"{len(named)} models checked, {refused} refused")
    if refused:
        raise typer.Exit(FAILED)


def _check(models: Sequence[str], asked: CheckOptions) -> tuple[str, list[str], list[Finding]]:
    """The file that results refer to, the models, and the findings against them."""
    from pathlib import Path

    from lexel.checkpoint.check import check_lock, check_models
    from lexel.trust.lock import lock_path, read_lock
    from lexel.trust.policy import NO_POLICY, current_policy, read_policy

    policy = current_policy() if asked.policy is None else read_policy(Path(asked.policy))
    where = "lexel.toml" if policy is NO_POLICY else os.path.relpath(policy.where)
    findings, named = check_models(models, policy), list(models)
    if asked.lock:
        lock = read_lock(lock_path())
        where = os.path.relpath(lock.path)
        findings += check_lock(lock, policy)
        named += [entry.name for entry in lock.models]
    return where, named, findings


def _report(findings: Sequence[Finding], asked: CheckOptions, models: Sequence[str], *, where: str) -> dict[str, Any]:
    import lexel
    from lexel.trust.reports import as_json, as_sarif

    if asked.to == "sarif":
        return as_sarif(findings, version=lexel.__version__, where=where)
    return as_json(findings, models=models)


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def _show(findings: Sequence[Finding], models: Sequence[str]) -> None:
    from rich.table import Table

    from lexel.cli.terminal.console import output_console

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("model", "rule", "verdict", "why"):
        table.add_column(name, overflow="fold", no_wrap=name in ("rule", "verdict"))
    found = {finding.model.partition("@")[0] for finding in findings}
    for model in models:
        if model.partition("@")[0] not in found:
            table.add_row(model, "", "allowed", "")
    for finding in findings:
        verdict = "excused" if finding.excused else "refused" if finding.refuses else "warning"
        why = f"{finding.found}; {finding.expected}" + (f" ({finding.excused})" if finding.excused else "")
        table.add_row(finding.model, finding.rule, verdict, why)
    output_console(width=120).print(table)
