"""Speed, as ratios against torch measured side by side: ``python -m benchmarks``."""
