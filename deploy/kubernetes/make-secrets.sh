#!/bin/bash
# Draw the passwords of the servers and store them as Secrets; what exists is left as it is.
#   ARTIFACTS=s3://BUCKET/mlflow deploy/kubernetes/make-secrets.sh
# Give MLflow its access to S3 by the service account of the cloud, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;
# for an S3 that is not Amazon's also AWS_ENDPOINT_URL_S3 and AWS_DEFAULT_REGION.
set -euo pipefail
: "${ARTIFACTS:?set ARTIFACTS, such as s3://BUCKET/mlflow}"
namespace=${NAMESPACE:-sentiment}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
umask 077

draw() { openssl rand -hex 24; }
exists() { kubectl --namespace "$namespace" get secret "$1" >/dev/null 2>&1; }
# Values go through files: arguments of a process are seen by others.
store() { # NAME, then KEY=VALUE lines on standard input
  cat >"$folder/values"
  kubectl --namespace "$namespace" create secret generic "$1" --from-env-file="$folder/values"
}

if ! exists mlflow-postgres; then
  database=$(draw)
  admin=$(draw)
  address=postgresql+psycopg://mlflow:$database@mlflow-postgres:5432/mlflow
  store mlflow-postgres <<<"password=$database"
  {
    echo "MLFLOW_BACKEND_STORE_URI=$address"
    echo "MLFLOW_FLASK_SERVER_SECRET_KEY=$(draw)"
    echo "ARTIFACTS=$ARTIFACTS"
    env | grep -E '^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|ENDPOINT_URL_S3|DEFAULT_REGION)=.' || true
  } | store mlflow
  printf '[mlflow]\ndefault_permission = READ\ndatabase_uri = %s\nadmin_username = admin\nadmin_password = %s\n' \
    "$address" "$admin" >"$folder/basic_auth.ini"
  kubectl --namespace "$namespace" create secret generic mlflow-auth --from-file="$folder/basic_auth.ini"
fi
if ! exists zenml-mysql; then
  database=$(draw)
  printf 'password=%s\nroot-password=%s\n' "$database" "$(draw)" | store zenml-mysql
  {
    echo "ZENML_STORE_URL=mysql://zenml:$database@zenml-mysql:3306/zenml"
    echo "ZENML_DEFAULT_USER_PASSWORD=$(draw)"
    echo "ZENML_SERVER_JWT_SECRET_KEY=$(draw)"
    echo "ZENML_SECRETS_STORE_TYPE=sql"
    echo "ZENML_SECRETS_STORE_ENCRYPTION_KEY=$(draw)"
  } | store zenml
fi
