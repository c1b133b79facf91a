# A node is ready only with these.
resource "aws_eks_addon" "before_nodes" {
  for_each = {
    eks-pod-identity-agent = null
    kube-proxy             = null
    vpc-cni                = jsonencode({ enableNetworkPolicy = "true" }) # else those of deploy/kubernetes do nothing
  }

  cluster_name         = aws_eks_cluster.this.name
  addon_name           = each.key
  configuration_values = each.value
}

resource "aws_eks_addon" "on_nodes" {
  for_each = toset([
    "aws-ebs-csi-driver", # volumes, such as that of ZenML's database in deploy/kubernetes/servers
    "coredns",
    "metrics-server", # what the endpoint's autoscaler goes by
  ])

  cluster_name = aws_eks_cluster.this.name
  addon_name   = each.key

  depends_on = [aws_eks_node_group.cpu, aws_eks_pod_identity_association.this]
}
