# Through EKS pod identities, not IRSA: no OIDC provider, no annotation with an account's number in the manifests, and
# no Kubernetes provider here. The price is the add-on eks-pod-identity-agent, and nodes that are EC2 instances.
locals {
  cluster_arn = "arn:${data.aws_partition.here.partition}:eks:${local.region}:${local.account}:cluster/${var.cluster_name}"

  policies = {
    orchestrator = data.aws_iam_policy_document.artifacts.json # a dynamic pipeline runs steps in this pod
    step         = data.aws_iam_policy_document.step.json
    launcher     = data.aws_iam_policy_document.artifacts.json # uploads the code of the runs that it starts
    mlflow       = data.aws_iam_policy_document.mlflow.json
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = var.service_accounts

  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    # EKS sets these tags itself. Without them every association in the account could name the role.
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks-cluster-arn"
      values   = [local.cluster_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-namespace"
      values   = [var.namespace]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-service-account"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = var.service_accounts

  name               = "${var.name}-${each.key}"
  description        = "For the pods of ${var.namespace}/${each.value} on ${var.cluster_name}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

resource "aws_iam_role_policy" "this" {
  for_each = local.policies

  name   = "access"
  role   = aws_iam_role.this[each.key].id
  policy = each.value
}

# What configs/stacks keeps under s3://$SENTIMENT_BUCKET/zenml.
data "aws_iam_policy_document" "artifacts" {
  statement {
    sid = "Look"
    # ZenML asks whether there are versions, to remove those of its logs.
    actions   = ["s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = [aws_s3_bucket.this["artifacts"].arn]
  }

  statement {
    sid       = "ReadAndWrite"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this["artifacts"].arn}/zenml/*"]
  }

  # Of logs only: old versions of models and data are the way back from a mistake.
  statement {
    sid       = "ForgetOldLogs"
    actions   = ["s3:DeleteObjectVersion"]
    resources = ["${aws_s3_bucket.this["artifacts"].arn}/zenml/logs/*"]
  }
}

# The roll-out of a deploy run puts a layer on the serving base.
data "aws_iam_policy_document" "step" {
  source_policy_documents = [data.aws_iam_policy_document.artifacts.json]

  statement {
    sid       = "LogInToEcr"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action knows no resources
  }

  statement {
    sid     = "ReadImages"
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [
      aws_ecr_repository.this["sentiment-endpoint"].arn,
      aws_ecr_repository.this["sentiment-serving-base"].arn,
    ]
  }

  statement {
    sid       = "PushVersions"
    actions   = ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"]
    resources = [aws_ecr_repository.this["sentiment-endpoint"].arn]
  }
}

data "aws_iam_policy_document" "mlflow" {
  statement {
    sid       = "Look"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [aws_s3_bucket.this["mlflow"].arn]
  }

  statement {
    sid       = "ReadAndWrite"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this["mlflow"].arn}/mlflow/*"]
  }
}
