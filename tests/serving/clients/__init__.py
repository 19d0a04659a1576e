"""What ``make test-clients`` runs: clients, collectors, linters and Ray, which ``make test`` does not install."""
