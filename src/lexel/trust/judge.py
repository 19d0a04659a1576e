"""Checks a model against a policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from lexel.errors import PolicyError
from lexel.licences import Verdict
from lexel.trust.candidate import Candidate
from lexel.trust.findings import Finding
from lexel.trust.policy import Policy


def judge_model(candidate: Candidate, policy: Policy, *, today: date | None = None) -> list[Finding]:
    """The findings against a model, including those that an exception excuses.

    Only known facts are checked, so the same function works before and after a download.

    Args:
        candidate: The model.
        policy: The policy.
        today: The date for exceptions; today by default.
    """
    found = [*_of_name(candidate, policy), *_of_licence(candidate, policy), *_of_files(candidate, policy)]
    return excused(found, policy, today=today)


def excused(findings: Iterable[Finding], policy: Policy, *, today: date | None = None) -> list[Finding]:
    """Findings with the exceptions that excuse them; an expired exception is mentioned."""
    return [_excused(finding, policy, today or date.today()) for finding in findings]


def refuse(findings: Iterable[Finding]) -> None:
    """Raise the first finding that refuses a model.

    Raises:
        PolicyError: If there is one.
    """
    refusing = [finding for finding in findings if finding.refuses]
    if refusing:
        more = f" ({len(refusing) - 1} more: lexel check shows them)" if len(refusing) > 1 else ""
        raise PolicyError(refusing[0].message + more)


def _excused(finding: Finding, policy: Policy, today: date) -> Finding:
    about = [each for each in policy.exceptions if each.is_about(finding.model, finding.rule)]
    for each in about:
        if today <= each.until:
            return replace(finding, excused=f"{each.who}, until {each.until}: {each.why}")
    if about:
        ended = max(about, key=lambda each: each.until)
        return replace(finding, expected=f"{finding.expected}; the exception of {ended.who} ended on {ended.until}")
    return finding


def _of_name(candidate: Candidate, policy: Policy) -> Iterator[Finding]:
    if policy.owners is not None and candidate.repo_id is not None and candidate.owner not in policy.owners:
        yield Finding(
            candidate.name,
            "owner",
            f"belongs to {candidate.owner or 'nobody in particular'}",
            f"{policy.where} allows the owners {', '.join(policy.owners) or '(none)'}",
        )
    if policy.pinned and not candidate.is_pinned:
        revision = candidate.revision or "main"
        pin = f"; today that is {candidate.repo_id}@{candidate.commit}" if candidate.commit else ""
        yield Finding(
            candidate.name,
            "pinned",
            f"the revision {revision!r} may move",
            f"{policy.where} demands a commit: {candidate.repo_id}@COMMIT{pin}",
        )


def _of_licence(candidate: Candidate, policy: Policy) -> Iterator[Finding]:
    verdict = candidate.licence
    if verdict is None or (policy.licences is None and policy.unknown == "allow"):
        return
    if verdict.kind == "unknown" and not _is_listed(verdict, policy):
        if policy.unknown != "allow":
            said = "states no licence" if verdict.licence is None else f"its licence is {verdict.licence}: unknown"
            yield Finding(
                candidate.name,
                "unknown-licence",
                said,
                f"{policy.where} demands a known one. Ask its author, or write an exception",
                level="error" if policy.unknown == "refuse" else "warning",
            )
    elif refused := [name for name in verdict.licences if not policy.allows(name)]:
        yield Finding(
            candidate.name, "licence", f"its licence is {', '.join(refused)}: {verdict.kind}", _allowed(policy)
        )
    if policy.licences is None:
        return
    if verdict.contradiction is not None:
        yield Finding(
            candidate.name,
            "licence-contradiction",
            verdict.contradiction,
            f"{policy.where} demands one answer. Ask its author, or write an exception",
        )
    if verdict.base_licence is not None and not policy.allows(verdict.base_licence):
        yield Finding(
            candidate.name,
            "base-licence",
            f"it was made from a model whose licence is {verdict.base_licence}",
            _allowed(policy),
        )


def _is_listed(verdict: Verdict, policy: Policy) -> bool:
    """Whether the policy names a licence that is in no table."""
    return bool(policy.licences and verdict.licences) and all(map(policy.allows, verdict.licences))


def _allowed(policy: Policy) -> str:
    return f"{policy.where} allows {', '.join(policy.licences or ()) or 'none'}"


def _of_files(candidate: Candidate, policy: Policy) -> Iterator[Finding]:
    if policy.safetensors and candidate.pickles:
        yield Finding(
            candidate.name,
            "safetensors",
            f"its weights are {candidate.pickles[0]}",
            f"{policy.where} demands safetensors. Make them with lexel convert",
        )
    size = sum((candidate.files or {}).values())
    if policy.largest is not None and size > policy.largest:
        yield Finding(
            candidate.name,
            "size",
            f"its files have {size / 1e6:,.1f} MB",
            f"{policy.where} allows {policy.largest / 1e6:,.1f} MB",
        )
