output "exports" {
  description = "The variables of docs/stacks/cloud-gpu.md that are known here, to be evaluated by a shell."
  value       = "${module.artifacts.exports}export KUBERNETES_CONTEXT=${aws_eks_cluster.this.name}\n"
}

output "kubeconfig" {
  description = "The command that adds the cluster to your kubeconfig."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name} --alias ${aws_eks_cluster.this.name}"
}

output "cluster_name" {
  description = "The EKS cluster."
  value       = aws_eks_cluster.this.name
}

output "bucket" {
  description = "SENTIMENT_BUCKET: ZenML's artifacts."
  value       = module.artifacts.bucket
}

output "mlflow_artifacts" {
  description = "ARTIFACTS of deploy/kubernetes/make-secrets.sh: where MLflow's server keeps its artifacts."
  value       = module.artifacts.mlflow_artifacts
}

output "registry" {
  description = "SENTIMENT_REGISTRY: where all images lie."
  value       = module.artifacts.registry
}

output "role_arns" {
  description = "The role of each service account by its part: orchestrator, step, launcher, mlflow."
  value       = module.artifacts.role_arns
}

output "identities" {
  description = "What is associated already: namespace, service account and role. No annotation is needed."
  value       = local.identities
}

output "database_address" {
  description = "The host of PostgreSQL; it is reached from the cluster only, at port 5432."
  value       = aws_db_instance.this.address
}

output "database_secret_arn" {
  description = "The secret in Secrets Manager that holds the master account, username and password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
