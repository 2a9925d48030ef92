"""`python -m lstm_bench` is `lstm-bench`."""

from lstm_bench.cli import main

if __name__ == "__main__":
    main()
