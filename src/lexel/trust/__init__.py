"""What may be loaded: the policy of a project, the lock that pins its models, and what was found against them."""
