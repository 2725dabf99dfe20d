"""Which type each layer should have, under budgets: what each choice loses, measured, and a knapsack over that."""
