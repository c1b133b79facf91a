#!/bin/bash
# Make the accounts and databases of MLflow and of the prediction log on the PostgreSQL of this folder, and the Secrets
# that hold their passwords; what has its Secret is left as it is.
#   deploy/terraform/aws/make-databases.sh
# Needs terraform with the state, aws, kubectl, and the namespace. psql runs in a pod: the database is reached from there
# only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
namespace=${NAMESPACE:-sentiment}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
umask 077

output() { terraform -chdir="$here" output -raw "$1"; }
draw() { openssl rand -hex 24; }
exists() { # a cluster that does not answer is not one without the Secret
  local found
  found=$(kubectl --namespace "$namespace" get secret "$1" --ignore-not-found --output=name) || exit 1
  [ -n "$found" ]
}
# Values go through files and standard input: arguments of a process are seen by others.
store() { # NAME, and what `kubectl create secret generic` makes it of
  kubectl --namespace "$namespace" create secret generic "$@" --dry-run=client --output=json |
    kubectl --namespace "$namespace" apply --server-side --filename=-
}
lines() { cat >"$folder/values" && store "$1" --from-env-file="$folder/values"; } # NAME, KEY=VALUE lines on standard input
master() { # username or password
  aws secretsmanager get-secret-value --region "$(cut -d: -f4 <<<"$secret")" --secret-id "$secret" \
    --query SecretString --output text |
    python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"
}
# The master account is no superuser: it may hand a database only to an account that it is a member of.
statements() { # NAME PASSWORD
  cat <<SQL
SELECT 'CREATE ROLE $1 LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$1') \gexec
ALTER ROLE $1 PASSWORD '$2';
GRANT $1 TO CURRENT_USER;
SELECT 'CREATE DATABASE $1 OWNER $1' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$1') \gexec
REVOKE ALL ON DATABASE $1 FROM PUBLIC;
SQL
}
make() { # NAME PASSWORD
  { master password && statements "$1" "$2"; } |
    kubectl --namespace "$namespace" run "make-database-$1" --quiet --rm --stdin --restart=Never \
      --image="${POSTGRES_IMAGE:-postgres:16.10-bookworm}" \
      --env=PGHOST="$host" --env=PGUSER="$user" --env=PGDATABASE=postgres --env=PGSSLMODE=require \
      -- sh -c 'IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1'
}

host=$(output database_address)
secret=$(output database_secret_arn)
user=$(master username)
# The names are those of make-secrets.sh, which then leaves MLflow alone.
if ! exists mlflow-postgres; then
  password=$(draw)
  address="postgresql+psycopg://mlflow:$password@$host:5432/mlflow?sslmode=require"
  make mlflow "$password"
  {
    echo "MLFLOW_BACKEND_STORE_URI=$address"
    echo "MLFLOW_FLASK_SERVER_SECRET_KEY=$(draw)"
    echo "ARTIFACTS=$(output mlflow_artifacts)"
  } | lines mlflow
  printf '[mlflow]\ndefault_permission = READ\ndatabase_uri = %s\nadmin_username = admin\nadmin_password = %s\n' \
    "$address" "$(draw)" >"$folder/basic_auth.ini"
  store mlflow-auth --from-file="$folder/basic_auth.ini"
  # The last one: a run that broke off before is made good by the next.
  lines mlflow-postgres <<<"password=$password"
fi
if ! exists sentiment-endpoint; then
  password=$(draw)
  make predictions "$password"
  address="postgresql://predictions:$password@$host:5432/predictions?sslmode=require"
  lines sentiment-endpoint <<<"SENTIMENT_DATABASE_URL=$address"
fi
