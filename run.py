"""The one entry point: pipelines, stacks, models and predictions from the command line.

python run.py train
python run.py deploy
python run.py --help
"""

from cli.main import main

if __name__ == "__main__":
    main()
