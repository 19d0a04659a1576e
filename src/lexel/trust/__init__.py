"""Restricts which models may be loaded: the policy of a project, the lock that pins its models, and findings."""
