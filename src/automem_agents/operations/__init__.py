"""The verbs of memory: each plans with a policy and applies the plan to the store."""
