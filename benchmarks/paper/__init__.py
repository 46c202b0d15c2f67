"""The paper's method: shipped policies, ablation, trainers, the safeguard."""
