"""What is here: Ray, database servers, accounts, ports, memory, secrets."""
