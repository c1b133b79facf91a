variable "name" {
  description = "Begins the names of the buckets and roles."
  type        = string
  default     = "sentiment"

  validation {
    # The bucket's name, with account and region behind it, may have 63 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "3 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cluster_name" {
  description = "The EKS cluster of this account and region whose pods may take the roles; it need not exist yet."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$", var.cluster_name))
    error_message = "The name of an EKS cluster: up to 100 letters, digits, hyphens and underscores."
  }
}

variable "namespace" {
  description = "The Kubernetes namespace of the service accounts; deploy/kubernetes/base makes it."
  type        = string
  default     = "sentiment"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "The name of one Kubernetes namespace, without wildcards."
  }
}

variable "service_accounts" {
  description = "The Kubernetes service accounts; the defaults are those of deploy/kubernetes, and mlflow for MLflow."
  type = object({
    orchestrator = optional(string, "sentiment-orchestrator")
    step         = optional(string, "sentiment-step")
    launcher     = optional(string, "sentiment-launcher")
    mlflow       = optional(string, "mlflow")
  })
  default = {}

  validation {
    condition = alltrue([
      for account in values(var.service_accounts) : can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", account))
    ])
    error_message = "Each is the name of one Kubernetes service account, without wildcards."
  }

  validation {
    condition     = length(distinct(values(var.service_accounts))) == length(values(var.service_accounts))
    error_message = "Each needs a service account of its own: EKS associates one role with an account."
  }
}

variable "old_version_days" {
  description = "For how many days an object that was overwritten or deleted can be had back."
  type        = number
  default     = 30

  validation {
    condition     = var.old_version_days >= 1 && floor(var.old_version_days) == var.old_version_days
    error_message = "A whole number of days, 1 or more."
  }
}

variable "endpoint_images" {
  description = "How many images of deployed versions are kept; the oldest go first."
  type        = number
  default     = 50

  validation {
    # One serves, one may be rolled back to.
    condition     = var.endpoint_images >= 2 && floor(var.endpoint_images) == var.endpoint_images
    error_message = "A whole number, 2 or more."
  }
}

variable "force_destroy" {
  description = "Let destroy delete the buckets and repositories with all that is in them."
  type        = bool
  default     = false
}
