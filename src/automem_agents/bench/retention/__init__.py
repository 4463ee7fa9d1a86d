"""What is worth keeping under a budget, what keeps up with facts that change, and what that costs in the long run."""
