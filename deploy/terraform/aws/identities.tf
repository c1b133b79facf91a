# Which role the pods of which service account have. EKS takes accounts that do not exist yet.
locals {
  system_accounts = {
    autoscaler = "cluster-autoscaler"
    ebs_csi    = "ebs-csi-controller-sa"
  }

  identities = merge(module.artifacts.identities, {
    for part, account in local.system_accounts : part => {
      namespace       = "kube-system"
      service_account = account
      role_arn        = aws_iam_role.system[part].arn
    }
  })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = local.identities

  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = each.value.role_arn
}

data "aws_iam_policy_document" "system_trust" {
  for_each = local.system_accounts

  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks-cluster-arn"
      values   = [aws_eks_cluster.this.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-namespace"
      values   = ["kube-system"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-service-account"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role" "system" {
  for_each = local.system_accounts

  name               = "${var.name}-${replace(each.key, "_", "-")}"
  assume_role_policy = data.aws_iam_policy_document.system_trust[each.key].json
}

resource "aws_iam_role_policy_attachment" "ebs_csi" {
  role       = aws_iam_role.system["ebs_csi"].name
  policy_arn = "${local.managed_policy}/service-role/AmazonEBSCSIDriverPolicy"
}

# The cluster autoscaler, which docs/operations/aws.md installs: a managed node group grows from none only with one.
data "aws_iam_policy_document" "autoscaler" {
  statement {
    sid = "Look"
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:DescribeTags",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements",
    ]
    resources = ["*"] # these actions know no resources
  }

  statement {
    sid       = "LabelsAndTaintsOfGroupsWithoutNodes"
    actions   = ["eks:DescribeNodegroup"]
    resources = [aws_eks_node_group.cpu.arn, aws_eks_node_group.gpu.arn]
  }

  statement {
    sid     = "Scale"
    actions = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = [
      for group in [aws_eks_node_group.cpu, aws_eks_node_group.gpu] : join(":", [
        "arn:${data.aws_partition.here.partition}:autoscaling:${var.region}:${data.aws_caller_identity.here.account_id}",
        "autoScalingGroup:*:autoScalingGroupName/${group.resources[0].autoscaling_groups[0].name}",
      ])
    ]
  }
}

resource "aws_iam_role_policy" "autoscaler" {
  name   = "access"
  role   = aws_iam_role.system["autoscaler"].id
  policy = data.aws_iam_policy_document.autoscaler.json
}
