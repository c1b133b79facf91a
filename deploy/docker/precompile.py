"""Make the bytecode of what a container's processes import, by importing it; a part of the image's build.

python precompile.py training|serving|serving-torch

Only speed hangs on the lists: a module that is missing here is compiled whenever a process imports it.
"""

import importlib
import os
import sys

SERVING = ("alembic.command", "bentoml", "_bentoml_impl.server.app", "_bentoml_impl.worker.service", "fastapi")
SERVING = (*SERVING, "onnxruntime", "polars", "prometheus_client", "psycopg", "pydantic_settings", "tokenizers")
SERVING = (*SERVING, "safetensors.numpy", "sqlalchemy.dialects.postgresql", "uvicorn")
TORCH = ("torch", "safetensors.torch", "transformers.models.bert.modeling_bert")
TORCH = (*TORCH, "transformers.models.electra.modeling_electra")
TRAINING = (
    "boto3",
    "datasets",
    "evidently.presets",
    "kubernetes",
    "markdown_it",
    "mlflow.server.auth",  # the containers of deploy/compose and deploy/kubernetes/servers
    "mlflow.server.fastapi_app",
    "mlflow.tracking",
    "onnx",
    "onnxruntime.quantization",
    "pandera.polars",
    "s3fs",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.svm",
    "torch.onnx",
    "transformers.trainer",
    "zenml.entrypoints.step_entrypoint_configuration",
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
    "zenml.zen_stores.rest_zen_store",
    "zenml.zen_stores.sql_zen_store",
)
TARGETS = {"serving": SERVING, "serving-torch": (*SERVING, *TORCH), "training": (*SERVING, *TORCH, *TRAINING)}

os.environ.update(ZENML_ANALYTICS_OPT_IN="false", MLFLOW_DISABLE_TELEMETRY="true", BENTOML_DO_NOT_TRACK="true")
sys.dont_write_bytecode = False
for name in TARGETS[sys.argv[1]]:
    importlib.import_module(name)
