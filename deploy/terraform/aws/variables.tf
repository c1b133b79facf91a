variable "region" {
  description = "Where everything is made, such as eu-central-1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region's name, such as eu-central-1."
  }
}

variable "name" {
  description = "The cluster's name, and the beginning of all others."
  type        = string
  default     = "sentiment"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "3 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "namespace" {
  description = "The Kubernetes namespace of the stack; deploy/kubernetes/base makes it."
  type        = string
  default     = "sentiment"
}

variable "tags" {
  description = "Tags of everything, beside project and part-of."
  type        = map(string)
  default     = {}
}

variable "force_destroy" {
  description = "Let destroy delete what cannot be had back: buckets with content, images, the database without a last snapshot."
  type        = bool
  default     = false
}

variable "old_version_days" {
  description = "For how many days an object that was overwritten or deleted can be had back."
  type        = number
  default     = 30
}

# Network

variable "vpc_cidr" {
  description = "The addresses of the VPC; they must not overlap with networks that you will connect to it."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    # A /20 for the pods of each zone, and a /24 for its NAT gateway.
    condition     = can(regex("/16$", var.vpc_cidr)) && can(cidrhost(var.vpc_cidr, 0))
    error_message = "A network of IPv4 addresses with a prefix of 16, such as 10.42.0.0/16."
  }
}

variable "zones" {
  description = "In how many availability zones the subnets lie."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3], var.zones)
    error_message = "2 or 3: EKS and RDS ask for two at least."
  }
}

variable "nat_gateway_per_zone" {
  description = "A NAT gateway in every zone. One for all costs less, and the other zones depend on its zone."
  type        = bool
  default     = false
}

# Cluster

variable "kubernetes_version" {
  description = "Such as 1.34; null takes the one that EKS gives to new clusters, and keeps it."
  type        = string
  default     = null

  validation {
    condition     = var.kubernetes_version == null || can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "A version as 1.34, or null."
  }
}

variable "cluster_endpoint_cidrs" {
  description = "Who reaches the cluster's API from outside the VPC, such as your office's 203.0.113.7/32; nobody when empty."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.cluster_endpoint_cidrs : can(cidrnetmask(cidr))])
    error_message = "Each is a network of IPv4 addresses, such as 203.0.113.0/24."
  }

  validation {
    # A wide one is the internet, or two of them are.
    condition     = alltrue([for cidr in var.cluster_endpoint_cidrs : tonumber(try(split("/", cidr)[1], 0)) >= 16])
    error_message = "Name those who may reach the API: networks wider than /16, 0.0.0.0/0 among them, are refused."
  }
}

variable "cluster_admin_arns" {
  description = "IAM roles and users that administer the cluster, beside the one that makes it."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.cluster_admin_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[^*]+$", arn))
    ])
    error_message = "Each is the ARN of a role or user, such as arn:aws:iam::123456789012:role/team."
  }
}

# Nodes

variable "cpu_nodes" {
  description = "The nodes for everything but transformers. A type must have room for the 2 cores and 8 GB of train_linear."
  type = object({
    instance_types = optional(list(string), ["m6i.xlarge", "m6a.xlarge", "m5.xlarge"])
    min            = optional(number, 2)
    max            = optional(number, 5)
    disk_gb        = optional(number, 60)
  })
  default = {}

  validation {
    condition     = var.cpu_nodes.min >= 1 && var.cpu_nodes.max >= var.cpu_nodes.min
    error_message = "min is 1 or more, and max not below it."
  }
}

variable "gpu_nodes" {
  description = "The nodes on which transformers train. A type must have more than the 4 cores and 16 GB that a pod asks for."
  type = object({
    instance_types = optional(list(string), ["g5.2xlarge", "g6.2xlarge", "g4dn.2xlarge"])
    spot           = optional(bool, false)
    max            = optional(number, 1)
    disk_gb        = optional(number, 100)
  })
  default = {}

  validation {
    condition     = var.gpu_nodes.max >= 1
    error_message = "max is 1 or more; the group shrinks to none by itself."
  }
}

# Database

variable "database" {
  description = "PostgreSQL for MLflow and the prediction log."
  type = object({
    version        = optional(string, "16")
    instance_class = optional(string, "db.t4g.small")
    disk_gb        = optional(number, 20)
    max_disk_gb    = optional(number, 100)
    multi_az       = optional(bool, false)
    backup_days    = optional(number, 7)
  })
  default = {}

  validation {
    condition     = can(regex("^1[5-9]$", var.database.version))
    error_message = "A major version of PostgreSQL from 15; RDS installs its minor ones."
  }

  validation {
    condition     = var.database.disk_gb >= 20 && var.database.max_disk_gb > var.database.disk_gb
    error_message = "disk_gb is 20 or more, and max_disk_gb above it."
  }

  validation {
    condition     = var.database.backup_days >= 1 && var.database.backup_days <= 35
    error_message = "backup_days is 1 to 35."
  }
}
