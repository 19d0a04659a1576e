"""What ``make test-clients`` runs: clients, collectors, linters and Ray, which the whole test suite does not install."""
