"""What ``automem-agents bench`` runs: memory measured on conversations with questions whose evidence is known."""
