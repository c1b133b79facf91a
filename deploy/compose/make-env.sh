#!/bin/bash
# Draw every password of the team's servers into .env beside this file; what is there already stays.
#   deploy/compose/make-env.sh
set -euo pipefail
umask 077
file=$(dirname "${BASH_SOURCE[0]}")/.env
touch "$file"
for name in MLFLOW_DATABASE_PASSWORD MLFLOW_ADMIN_PASSWORD MLFLOW_SECRET_KEY \
  ZENML_DATABASE_PASSWORD ZENML_ADMIN_PASSWORD ZENML_JWT_SECRET_KEY ZENML_ENCRYPTION_KEY S3_ACCESS_KEY S3_SECRET_KEY; do
  grep -q "^$name=" "$file" || echo "$name=$(openssl rand -hex 20)" >>"$file"
done
echo "$file is complete. Keep it: without ZENML_ENCRYPTION_KEY the secrets that ZenML stores are lost."
