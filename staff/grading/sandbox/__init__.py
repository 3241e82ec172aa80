"""Where students' code runs: isolated, limited, and ended as a whole."""
