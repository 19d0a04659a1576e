"""Findings for programs: JSON, and SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/) for code hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lexel.trust.findings import RULES, Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(findings: Sequence[Finding], *, models: Sequence[str]) -> dict[str, Any]:
    """The findings, and whether every model may be loaded."""
    return {
        "allowed": not any(finding.refuses for finding in findings),
        "models": list(models),
        "findings": [
            {**asdict(finding), "message": finding.message, "refuses": finding.refuses} for finding in findings
        ],
    }


def as_sarif(findings: Sequence[Finding], *, version: str, where: str) -> dict[str, Any]:
    """The findings as one run of SARIF; excused findings are suppressed results.

    Args:
        findings: The findings.
        version: Lexel's version.
        where: The file that the results refer to: the policy or the lock.
    """
    rules = [{"id": rule, "shortDescription": {"text": f"{text}."}} for rule, text in RULES.items()]
    results = [_result(finding, where=where) for finding in findings]
    driver = {"name": "lexel check", "version": version, "rules": rules}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(finding: Finding, *, where: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": where}, "region": {"startLine": 1}}}],
        "partialFingerprints": {"modelAndRule": f"{finding.model} {finding.rule}"},
    }
    if finding.excused is not None:
        result["suppressions"] = [{"kind": "external", "justification": finding.excused}]
    return result
