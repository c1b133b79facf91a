output "bucket" {
  description = "SENTIMENT_BUCKET: ZenML's artifacts."
  value       = aws_s3_bucket.this["artifacts"].id
}

output "mlflow_artifacts" {
  description = "ARTIFACTS of deploy/kubernetes/make-secrets.sh: where MLflow's server keeps its artifacts."
  value       = "s3://${aws_s3_bucket.this["mlflow"].id}/mlflow"
}

output "registry" {
  description = "SENTIMENT_REGISTRY: where all images lie."
  value       = split("/", aws_ecr_repository.this["sentiment-training"].repository_url)[0]
}

output "repositories" {
  description = "The address of each repository by its name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "role_arns" {
  description = "The role of each service account by its part: orchestrator, step, launcher, mlflow."
  value       = { for part, role in aws_iam_role.this : part => role.arn }
}

output "identities" {
  description = "What is to be associated on the cluster: namespace, service account and role."
  value = {
    for part, role in aws_iam_role.this : part => {
      namespace       = var.namespace
      service_account = var.service_accounts[part]
      role_arn        = role.arn
    }
  }
}

output "associate" {
  description = "The commands that associate the roles on a cluster that this configuration does not hold."
  value = join("\n", [
    for part, role in aws_iam_role.this : join(" ", [
      "aws eks create-pod-identity-association --region ${local.region} --cluster-name ${var.cluster_name}",
      "--namespace ${var.namespace} --service-account ${var.service_accounts[part]} --role-arn ${role.arn}",
    ])
  ])
}

output "exports" {
  description = "The variables of configs/stacks that are known here, to be evaluated by a shell."
  value       = <<-EOT
    export AWS_DEFAULT_REGION=${local.region}
    export SENTIMENT_BUCKET=${aws_s3_bucket.this["artifacts"].id}
    export SENTIMENT_REGISTRY=${split("/", aws_ecr_repository.this["sentiment-training"].repository_url)[0]}
  EOT
}
