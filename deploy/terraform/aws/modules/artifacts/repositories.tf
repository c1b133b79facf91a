locals {
  # As deploy/docker/Dockerfile and configs/stacks name them: $SENTIMENT_REGISTRY/NAME.
  repositories = toset(["sentiment-training", "sentiment-launcher", "sentiment-serving-base", "sentiment-endpoint"])

  untagged = {
    rulePriority = 1
    description  = "What no tag names"
    selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
    action       = { type = "expire" }
  }
  # A roll-out tags an image vVERSION-TIME. What a person pushed never goes by itself.
  old_endpoints = {
    rulePriority = 2
    description  = "Versions deployed long ago"
    selection = {
      tagStatus     = "tagged"
      tagPrefixList = ["v"]
      countType     = "imageCountMoreThan"
      countNumber   = var.endpoint_images
    }
    action = { type = "expire" }
  }
}

# All with the same encryption: ECR shares layers between repositories only then.
resource "aws_ecr_repository" "this" {
  for_each = local.repositories

  name                 = each.key
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = concat([local.untagged], each.key == "sentiment-endpoint" ? [local.old_endpoints] : [])
  })
}
