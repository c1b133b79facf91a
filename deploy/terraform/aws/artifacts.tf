module "artifacts" {
  source = "./modules/artifacts"

  name             = var.name
  cluster_name     = var.name
  namespace        = var.namespace
  old_version_days = var.old_version_days
  force_destroy    = var.force_destroy
}
