"""deploy/terraform: what it makes of a stand-in for AWS is what the stack cloud-gpu needs, and no more than that."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pgserver
import psycopg
import pytest
import yaml
from botocore.exceptions import ClientError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from sentiment.config.stack import StackConfig
from sentiment.home import PROJECT
from stacks.bentoml_kubernetes.registry import OCI_MANIFEST
from stacks.catalogue import load_stack, required_variables
from tests.service.postgres_server import PostgresServer
from tests.stacks.terraform_workspace import SECONDS, Cloud, Workspace, cloud, workspace

pytestmark = pytest.mark.terraform

ACCOUNT = "123456789012"  # the stand-in's
BUCKET = f"sentiment-artifacts-{ACCOUNT}-us-east-1"
MLFLOW_BUCKET = f"sentiment-mlflow-{ACCOUNT}-us-east-1"
REPOSITORIES = ["sentiment-endpoint", "sentiment-launcher", "sentiment-serving-base", "sentiment-training"]
SERVICE_ACCOUNTS = {
    "orchestrator": "sentiment-orchestrator",
    "step": "sentiment-step",
    "launcher": "sentiment-launcher",
    "mlflow": "mlflow",
}
ACTIONS_WITHOUT_RESOURCES = {"ecr:GetAuthorizationToken"}
SSL = {"sslmode": "require"}
GIGABYTE, MEBIBYTE = 10**9, 2**20

# What the stand-in does not have: EKS's add-ons, pod identities and access policies, and the security group of a
# cluster. These are looked at in the plan.
LACKING = """
resource "aws_eks_addon" "before_nodes" {
  for_each = {}
}
resource "aws_eks_addon" "on_nodes" {
  for_each = toset([])
}
resource "aws_eks_pod_identity_association" "this" {
  for_each = {}
}
resource "aws_vpc_security_group_ingress_rule" "database" {
  referenced_security_group_id = aws_default_security_group.closed.id
}
"""


@dataclass(frozen=True)
class Applied:
    """A configuration that was applied to the stand-in."""

    terraform: Workspace
    cloud: Cloud

    def client(self, service: str) -> Any:
        return self.cloud.client(service)


@dataclass(frozen=True)
class Applying:
    """A configuration while it is applied."""

    applied: Applied
    process: "subprocess.Popen[bytes]"
    log: Path


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plugins")


@pytest.fixture(scope="module")
def being_applied(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Applying]:
    """The whole configuration, while it is applied: the provider gives databases minutes to settle."""
    folder = tmp_path_factory.mktemp("whole")
    with cloud(folder) as aws:
        terraform = workspace(folder, "aws", aws, plugins, {"region": "us-east-1"})
        (terraform.folder / "lacking_override.tf").write_text(LACKING)
        log = terraform.folder / "apply.log"
        with (
            log.open("w", encoding="utf-8") as file,
            subprocess.Popen(
                terraform.command("apply", "-auto-approve", "-input=false", "-no-color"),
                cwd=terraform.folder,
                env={**os.environ, **terraform.environment},
                stdout=file,
                stderr=file,
            ) as process,
        ):
            yield Applying(Applied(terraform, aws), process, log)
            process.kill()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, plugins: Path, being_applied: Applying) -> Iterator[Applied]:
    """The whole configuration as it is, to plan with; meanwhile it is applied elsewhere."""
    folder = tmp_path_factory.mktemp("empty")
    with cloud(folder) as aws:
        yield Applied(workspace(folder, "aws", aws, plugins, {"region": "us-east-1"}), aws)


@pytest.fixture(scope="module")
def planned(empty: Applied) -> dict[str, Any]:
    return empty.terraform.planned(cluster_admin_arns=f'["arn:aws:iam::{ACCOUNT}:role/team"]')


@pytest.fixture(scope="module")
def planned_otherwise(empty: Applied) -> dict[str, Any]:
    return empty.terraform.planned(
        force_destroy="true", gpu_nodes="{spot = true}", cluster_endpoint_cidrs='["203.0.113.7/32"]'
    )


@pytest.fixture(scope="module")
def whole(being_applied: Applying) -> Applied:
    status = being_applied.process.wait(SECONDS)
    assert status == 0, being_applied.log.read_text(encoding="utf-8")
    return being_applied.applied


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory, plugins: Path, being_applied: Applying) -> Iterator[Applied]:
    """The module by itself, for a cluster named `team`; meanwhile the whole is applied elsewhere."""
    folder = tmp_path_factory.mktemp("artifacts")
    with cloud(folder) as aws:
        terraform = workspace(folder, "aws/modules/artifacts", aws, plugins, {"cluster_name": "team"})
        terraform.apply()
        yield Applied(terraform, aws)


# Without a cloud


def test_it_is_formatted_and_valid(empty: Applied) -> None:
    assert empty.terraform.run("fmt", "-check", "-recursive", "-diff") == ""
    assert json.loads(empty.terraform.run("validate", "-json"))["diagnostics"] == []


def test_bad_values_are_refused(empty: Applied) -> None:
    result = empty.terraform(
        "plan",
        "-input=false",
        "-no-color",
        region="Frankfurt",
        name="Sentiment!",
        namespace="*",
        cluster_endpoint_cidrs='["203.0.113.7", "0.0.0.0/0"]',
        cluster_admin_arns=f'["arn:aws:iam::{ACCOUNT}:role/*"]',
        zones="1",
        gpu_nodes="{max = 0}",
        database='{version = "14"}',
    )
    assert result.returncode == 1
    told = " ".join(result.stderr.replace("│", " ").split())
    for sentence in (
        "A region's name, such as eu-central-1.",
        "3 to 20 lower-case letters, digits and hyphens",
        "The name of one Kubernetes namespace, without wildcards.",
        "Each is a network of IPv4 addresses",
        "networks wider than /16, 0.0.0.0/0 among them, are refused",
        "Each is the ARN of a role or user",
        "2 or 3: EKS and RDS ask for two at least.",
        "max is 1 or more",
        "A major version of PostgreSQL from 15",
    ):
        assert sentence in told, result.stderr


def test_half_of_the_internet_is_no_named_network(empty: Applied) -> None:
    halves = '["0.0.0.0/1", "128.0.0.0/1"]'
    result = empty.terraform("plan", "-input=false", "-no-color", cluster_endpoint_cidrs=halves)
    assert result.returncode == 1
    assert "Name those who may reach the API" in result.stderr


# The module by itself


@pytest.mark.parametrize("bucket", [BUCKET, MLFLOW_BUCKET])
def test_a_bucket_is_closed_encrypted_and_versioned(artifacts: Applied, bucket: str) -> None:
    s3 = artifacts.client("s3")
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (encryption,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.parametrize("bucket", [BUCKET, MLFLOW_BUCKET])
def test_a_bucket_refuses_what_is_not_encrypted_on_its_way(artifacts: Applied, bucket: str) -> None:
    (statement,) = json.loads(artifacts.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert sorted(statement["Resource"]) == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    # The stand-in speaks plain HTTP.
    assert denied(artifacts.client("s3").put_object, Bucket=bucket, Key="zenml/plain", Body=b"1")


@pytest.mark.parametrize("bucket", [BUCKET, MLFLOW_BUCKET])
def test_old_versions_end(artifacts: Applied, bucket: str) -> None:
    rules = artifacts.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    found = {key: value for rule in rules for key, value in rule.items()}
    assert found["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert found["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    # What is current never ends by itself.
    assert found["Expiration"] == {"ExpiredObjectDeleteMarker": True}


def test_images_are_scanned_and_what_a_tag_names_stays(artifacts: Applied) -> None:
    ecr = artifacts.client("ecr")
    found = ecr.describe_repositories()["repositories"]
    assert sorted(each["repositoryName"] for each in found) == REPOSITORIES
    for each in found:
        assert each["imageTagMutability"] == "IMMUTABLE"
        assert each["imageScanningConfiguration"] == {"scanOnPush": True}
    # ECR shares the layers of the serving base with the endpoint only between the same encryption.
    assert {each["encryptionConfiguration"]["encryptionType"] for each in found} == {"AES256"}
    ecr.put_image(repositoryName="sentiment-training", imageTag="1", imageManifest=manifest("one"))
    with pytest.raises(ClientError, match="AlreadyExists"):
        ecr.put_image(repositoryName="sentiment-training", imageTag="1", imageManifest=manifest("two"))


def manifest(content: str) -> str:
    layers = [{"digest": content}]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"digest": content}, "layers": layers})


def test_images_that_a_person_pushed_do_not_end(artifacts: Applied) -> None:
    ecr = artifacts.client("ecr")
    for name in REPOSITORIES:
        rules = json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
        tagged = [rule["selection"] for rule in rules if rule["selection"]["tagStatus"] != "untagged"]
        if name == "sentiment-endpoint":
            (selection,) = tagged
            assert (selection["tagPrefixList"], selection["countNumber"]) == (["v"], 50)
        else:
            assert tagged == []
        assert len(rules) == len(tagged) + 1


@pytest.mark.parametrize("part", SERVICE_ACCOUNTS)
def test_a_role_trusts_one_service_account_of_one_cluster(artifacts: Applied, part: str) -> None:
    role = artifacts.client("iam").get_role(RoleName=f"sentiment-{part}")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert sorted(statement["Action"]) == ["sts:AssumeRole", "sts:TagSession"]
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/team",
            "aws:RequestTag/kubernetes-namespace": "sentiment",
            "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNTS[part],
        }
    }
    assert artifacts.client("iam").list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"] == []


def test_the_service_accounts_are_those_of_the_manifests_and_of_the_stack() -> None:
    documents = (PROJECT / "deploy/kubernetes/base/accounts.yaml").read_text(encoding="utf-8")
    made = {each["metadata"]["name"] for each in yaml.safe_load_all(documents) if each["kind"] == "ServiceAccount"}
    assert set(SERVICE_ACCOUNTS.values()) - {"mlflow"} == made
    orchestrator = stack().settings.orchestrator
    assert orchestrator["service_account_name"] == SERVICE_ACCOUNTS["orchestrator"]
    assert orchestrator["step_pod_service_account_name"] == SERVICE_ACCOUNTS["step"]


def stack() -> StackConfig:
    """The stack cloud-gpu, with something for each variable."""
    with pytest.MonkeyPatch.context() as patch:
        for name in required_variables("cloud-gpu"):
            patch.setenv(name, "placeholder")
        return load_stack("cloud-gpu")


@pytest.mark.parametrize("part", SERVICE_ACCOUNTS)
def test_a_policy_names_its_resources(artifacts: Applied, part: str) -> None:
    iam, role = artifacts.client("iam"), f"sentiment-{part}"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    ours = BUCKET if part != "mlflow" else MLFLOW_BUCKET
    for statement in iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow"
        actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
        assert not any("*" in action for action in actions)
        for resource in resources:
            if resource == "*":
                assert set(actions) <= ACTIONS_WITHOUT_RESOURCES
            elif resource.startswith("arn:aws:s3:::"):
                assert resource.removeprefix("arn:aws:s3:::").partition("/")[0] == ours
            else:
                assert part == "step"
                assert resource.rpartition("/")[2] in {"sentiment-endpoint", "sentiment-serving-base"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@contextmanager
def over_http(artifacts: Applied) -> Iterator[Any]:
    """S3 without the policies that refuse the stand-in's plain HTTP."""
    s3 = artifacts.client("s3")
    policies = {bucket: s3.get_bucket_policy(Bucket=bucket)["Policy"] for bucket in (BUCKET, MLFLOW_BUCKET)}
    for bucket in policies:
        s3.delete_bucket_policy(Bucket=bucket)
    try:
        yield s3
    finally:
        for bucket, policy in policies.items():
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_a_role_reaches_what_its_pods_need_and_nothing_else(artifacts: Applied) -> None:
    with over_http(artifacts) as s3:
        check_roles(artifacts, s3)
        # The stand-in fails when a marker is the last of a key that is deleted.
        for marker in s3.list_object_versions(Bucket=BUCKET)["DeleteMarkers"]:
            s3.delete_object(Bucket=BUCKET, Key=marker["Key"], VersionId=marker["VersionId"])


def check_roles(artifacts: Applied, s3: Any) -> None:
    places = [
        (BUCKET, "zenml/model"),
        (BUCKET, "zenml/logs/1.log"),
        (BUCKET, "elsewhere"),
        (MLFLOW_BUCKET, "mlflow/model"),
    ]
    versions = {place: s3.put_object(Bucket=place[0], Key=place[1], Body=b"1")["VersionId"] for place in places}
    sts = artifacts.client("sts")
    sessions = {
        part: sts.assume_role(RoleArn=arn, RoleSessionName=part)["Credentials"]
        for part, arn in artifacts.terraform.outputs()["role_arns"].items()
    }
    with artifacts.cloud.policies_enforced():
        for part in ("orchestrator", "step", "launcher"):
            role = artifacts.cloud.client("s3", sessions[part])
            role.list_objects_v2(Bucket=BUCKET)
            assert role.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
            assert role.get_object(Bucket=BUCKET, Key="zenml/model")["Body"].read() == b"1"
            role.put_object(Bucket=BUCKET, Key=f"zenml/{part}", Body=b"2")
            role.delete_object(Bucket=BUCKET, Key=f"zenml/{part}")
            assert denied(role.put_object, Bucket=BUCKET, Key="elsewhere", Body=b"2")
            assert denied(role.get_object, Bucket=BUCKET, Key="elsewhere")
            assert denied(role.get_object, Bucket=MLFLOW_BUCKET, Key="mlflow/model")
            version = versions[BUCKET, "zenml/model"]
            assert denied(role.delete_object, Bucket=BUCKET, Key="zenml/model", VersionId=version)
            assert denied(role.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
        version = versions[BUCKET, "zenml/logs/1.log"]
        artifacts.cloud.client("s3", sessions["step"]).delete_object(
            Bucket=BUCKET, Key="zenml/logs/1.log", VersionId=version
        )
        role = artifacts.cloud.client("s3", sessions["mlflow"])
        role.put_object(Bucket=MLFLOW_BUCKET, Key="mlflow/other", Body=b"2")
        assert denied(role.get_object, Bucket=BUCKET, Key="zenml/model")
        assert denied(role.list_objects_v2, Bucket=BUCKET)
        artifacts.cloud.client("ecr", sessions["step"]).get_authorization_token()
        for part in ("orchestrator", "launcher", "mlflow"):
            assert denied(artifacts.cloud.client("ecr", sessions[part]).get_authorization_token)


def denied(call: Any, **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}
    return False


def test_the_outputs_are_what_a_shell_and_the_manifests_take(artifacts: Applied) -> None:
    outputs = artifacts.terraform.outputs()
    assert sourced(outputs["exports"]) == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "SENTIMENT_BUCKET": BUCKET,
        "SENTIMENT_REGISTRY": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com",
    }
    assert outputs["mlflow_artifacts"] == f"s3://{MLFLOW_BUCKET}/mlflow"
    assert len(outputs["associate"].splitlines()) == len(SERVICE_ACCOUNTS)
    for part, account in SERVICE_ACCOUNTS.items():
        role = f"arn:aws:iam::{ACCOUNT}:role/sentiment-{part}"
        assert f"--namespace sentiment --service-account {account} --role-arn {role}" in outputs["associate"]


def sourced(exports: str) -> dict[str, str]:
    """The variables that a shell has after it evaluated the lines."""
    command = ["env", "-i", "bash", "--noprofile", "--norc", "-c", f"{exports}\nexec env"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return {name: found[name] for name in found if name.startswith(("AWS", "SENTIMENT", "KUBERNETES"))}


def test_a_second_plan_has_nothing_to_do(artifacts: Applied) -> None:
    result = artifacts.terraform("plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert result.returncode == 0, result.stdout + result.stderr


def test_it_is_destroyed_whole_but_never_with_data_in_it_unless_forced(artifacts: Applied) -> None:
    """The last one of the module: nothing is there afterwards."""
    ecr, terraform = artifacts.client("ecr"), artifacts.terraform
    with over_http(artifacts) as s3:
        s3.put_object(Bucket=BUCKET, Key="zenml/kept", Body=b"kept")
    ecr.put_image(repositoryName="sentiment-endpoint", imageTag="v1-1", imageManifest=manifest("kept"))
    kept = ("-target=aws_s3_bucket.this", "-target=aws_ecr_repository.this")

    refused = terraform.destroy(*kept)
    assert refused.returncode == 1
    assert "BucketNotEmpty" in refused.stderr
    assert "RepositoryNotEmptyException" in refused.stderr
    assert s3.get_object(Bucket=BUCKET, Key="zenml/kept")["Body"].read() == b"kept"
    assert ecr.describe_images(repositoryName="sentiment-endpoint")["imageDetails"]

    terraform.apply(*kept, force_destroy="true")
    forced = terraform.destroy(force_destroy="true")
    assert forced.returncode == 0, forced.stdout + forced.stderr
    assert s3.list_buckets()["Buckets"] == []
    assert ecr.describe_repositories()["repositories"] == []
    assert not [each for each in artifacts.client("iam").list_roles()["Roles"] if each["Path"] == "/"]
    assert terraform.run("state", "list") == ""


# What the stand-in lacks, in the plan


def of_type(planned: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    resources = planned["planned_values"]["root_module"]["resources"]
    return {str(each.get("index", each["name"])): each["values"] for each in resources if each["type"] == kind}


def test_the_plan_associates_every_service_account_with_its_role(planned: dict[str, Any]) -> None:
    associations = of_type(planned, "aws_eks_pod_identity_association")
    found = {part: (each["namespace"], each["service_account"]) for part, each in associations.items()}
    assert found == {
        **{part: ("sentiment", account) for part, account in SERVICE_ACCOUNTS.items()},
        "autoscaler": ("kube-system", "cluster-autoscaler"),
        "ebs_csi": ("kube-system", "ebs-csi-controller-sa"),
    }
    assert {each["cluster_name"] for each in associations.values()} == {"sentiment"}


def test_the_plan_has_the_addons_that_the_rest_relies_on(planned: dict[str, Any]) -> None:
    addons = of_type(planned, "aws_eks_addon")
    assert addons.keys() == {
        *("aws-ebs-csi-driver", "coredns", "eks-pod-identity-agent", "kube-proxy", "metrics-server", "vpc-cni")
    }
    # Otherwise the network policies of deploy/kubernetes would be accepted, and do nothing.
    assert json.loads(addons["vpc-cni"]["configuration_values"]) == {"enableNetworkPolicy": "true"}


def test_the_plan_lets_named_administrators_in(planned: dict[str, Any]) -> None:
    (entry,) = of_type(planned, "aws_eks_access_policy_association").values()
    assert entry["principal_arn"] == f"arn:aws:iam::{ACCOUNT}:role/team"
    assert entry["policy_arn"].endswith("/AmazonEKSClusterAdminPolicy")


def test_the_plan_lets_the_cluster_alone_to_the_database(planned: dict[str, Any]) -> None:
    resources = planned["configuration"]["root_module"]["resources"]
    (rule,) = (each["expressions"] for each in resources if each["type"] == "aws_vpc_security_group_ingress_rule")
    assert rule["referenced_security_group_id"]["references"][0] == (
        "aws_eks_cluster.this.vpc_config[0].cluster_security_group_id"
    )
    assert rule["from_port"] == rule["to_port"] == {"constant_value": 5432}
    assert not any(name.startswith("cidr") for name in rule)


def test_only_a_plan_that_is_forced_gives_up_what_cannot_be_had_back(
    planned: dict[str, Any], planned_otherwise: dict[str, Any]
) -> None:
    for plan, given_up in ((planned, False), (planned_otherwise, True)):
        (database,) = of_type(plan, "aws_db_instance").values()
        assert (database["deletion_protection"], database["skip_final_snapshot"]) == (not given_up, given_up)
        (module,) = plan["planned_values"]["root_module"]["child_modules"]
        values = [each["values"] for each in module["resources"] if "values" in each]
        buckets = [each for each in values if "bucket" in each and "force_destroy" in each]
        assert [each["force_destroy"] for each in buckets] == [given_up] * 2
        assert [each["force_delete"] for each in values if "force_delete" in each] == [given_up] * len(REPOSITORIES)


def test_the_gpu_nodes_may_be_spot_instances(planned_otherwise: dict[str, Any]) -> None:
    assert of_type(planned_otherwise, "aws_eks_node_group")["gpu"]["capacity_type"] == "SPOT"


def test_named_networks_reach_the_cluster(planned_otherwise: dict[str, Any]) -> None:
    (cluster,) = of_type(planned_otherwise, "aws_eks_cluster").values()
    (network,) = cluster["vpc_config"]
    assert network["endpoint_public_access"] is True
    assert network["public_access_cidrs"] == ["203.0.113.7/32"]


# The whole


def node_group(whole: Applied, name: str) -> dict[str, Any]:
    group: dict[str, Any] = whole.client("eks").describe_nodegroup(clusterName="sentiment", nodegroupName=name)[
        "nodegroup"
    ]
    return group


def test_the_gpu_nodes_are_those_that_the_stack_asks_for(whole: Applied) -> None:
    group = node_group(whole, "gpu")
    pod = stack().settings.steps["train_*"].orchestrator["pod_settings"]
    assert pod["node_selectors"].items() <= group["labels"].items()
    (taint,) = group["taints"]
    (toleration,) = pod["tolerations"]
    assert (taint["key"], taint["effect"]) == (toleration["key"], "NO_SCHEDULE")
    assert (toleration["operator"], toleration["effect"]) == ("Exists", "NoSchedule")
    assert (group["scalingConfig"]["minSize"], group["scalingConfig"]["desiredSize"]) == (0, 0)
    assert group["amiType"] == "AL2023_x86_64_NVIDIA"
    assert group["capacityType"] == "ON_DEMAND"


@pytest.mark.parametrize(("group", "step"), [("gpu", "train_*"), ("cpu", "train_linear")])
def test_a_training_pod_fits_on_every_type_of_node(whole: Applied, group: str, step: str) -> None:
    wanted = stack().settings.steps[step].resources
    assert wanted.cpu_count
    assert wanted.memory
    types = node_group(whole, group)["instanceTypes"]
    described = whole.client("ec2").describe_instance_types(InstanceTypes=types)["InstanceTypes"]
    assert {each["InstanceType"] for each in described} == set(types)
    for each in described:
        gpus = sum(gpu["Count"] for gpu in each.get("GpuInfo", {}).get("Gpus", ()))
        assert gpus >= (wanted.gpu_count or 0), each["InstanceType"]
        # A node keeps some of both for itself.
        assert each["VCpuInfo"]["DefaultVCpus"] > wanted.cpu_count, each["InstanceType"]
        memory = each["MemoryInfo"]["SizeInMiB"] * MEBIBYTE
        assert memory > 1.2 * int(wanted.memory.removesuffix("GB")) * GIGABYTE, each["InstanceType"]


@pytest.mark.parametrize("group", ["cpu", "gpu"])
def test_a_pod_does_not_reach_the_role_of_its_node(whole: Applied, group: str) -> None:
    template = node_group(whole, group)["launchTemplate"]
    ec2 = whole.client("ec2")
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template["id"], Versions=["$Latest"])[
        "LaunchTemplateVersions"
    ]
    metadata = version["LaunchTemplateData"]["MetadataOptions"]
    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 1)
    (disk,) = version["LaunchTemplateData"]["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True


def test_the_cluster_is_private_and_its_secrets_are_encrypted(whole: Applied) -> None:
    cluster = whole.client("eks").describe_cluster(name="sentiment")["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert (network["endpointPrivateAccess"], network["endpointPublicAccess"]) == (True, False)
    (encryption,) = cluster["encryptionConfig"]
    assert encryption["resources"] == ["secrets"]
    key = encryption["provider"]["keyArn"]
    assert whole.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert set(network["subnetIds"]) == set(subnets(whole, "private"))


def subnets(whole: Applied, kind: str) -> list[str]:
    filters = [{"Name": "tag:Name", "Values": [f"sentiment-{kind}-*"]}]
    return [each["SubnetId"] for each in whole.client("ec2").describe_subnets(Filters=filters)["Subnets"]]


def test_nodes_have_no_public_address_and_go_out_through_nat(whole: Applied) -> None:
    ec2 = whole.client("ec2")
    private, public = subnets(whole, "private"), subnets(whole, "public")
    assert (len(private), len(public)) == (2, 2)
    found = ec2.describe_subnets(SubnetIds=[*private, *public])["Subnets"]
    assert {each["MapPublicIpOnLaunch"] for each in found} == {False}
    assert len({each["AvailabilityZone"] for each in found}) == 2
    for group in ("cpu", "gpu"):
        assert set(node_group(whole, group)["subnets"]) == set(private)
    for subnet in private:
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
            "RouteTables"
        ]
        (default,) = (route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0")
        assert default["NatGatewayId"]
    (gateway,) = ec2.describe_nat_gateways()["NatGateways"]
    assert gateway["SubnetId"] in public


def test_the_database_is_private_encrypted_and_has_no_password_here(whole: Applied) -> None:
    (database,) = whole.client("rds").describe_db_instances()["DBInstances"]
    assert database["PubliclyAccessible"] is False
    assert database["StorageEncrypted"] is True
    assert database["DeletionProtection"] is True
    assert database["BackupRetentionPeriod"] == 7
    assert {each["SubnetIdentifier"] for each in database["DBSubnetGroup"]["Subnets"]} == set(subnets(whole, "private"))
    secret = whole.terraform.outputs()["database_secret_arn"]
    assert database["MasterUserSecret"]["SecretArn"] == secret
    state = (whole.terraform.folder / "terraform.tfstate").read_text(encoding="utf-8")
    (instance,) = (each for each in json.loads(state)["resources"] if each["type"] == "aws_db_instance")
    values = instance["instances"][0]["attributes"]
    assert [values["password"], values["password_wo"], values["manage_master_user_password"]] == [None, None, True]


def test_the_roles_of_the_cluster_itself_trust_one_service_account_each(whole: Applied) -> None:
    iam = whole.client("iam")
    for part, account in {"autoscaler": "cluster-autoscaler", "ebs-csi": "ebs-csi-controller-sa"}.items():
        (statement,) = iam.get_role(RoleName=f"sentiment-{part}")["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"]["StringEquals"] == {
            "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/sentiment",
            "aws:RequestTag/kubernetes-namespace": "kube-system",
            "aws:RequestTag/kubernetes-service-account": account,
        }


def test_the_autoscaler_changes_the_groups_of_this_cluster_only(whole: Applied) -> None:
    policy = whole.client("iam").get_role_policy(RoleName="sentiment-autoscaler", PolicyName="access")["PolicyDocument"]
    groups = [node_group(whole, name)["resources"]["autoScalingGroups"][0]["name"] for name in ("cpu", "gpu")]
    for statement in policy["Statement"]:
        writes = [
            action for action in as_list(statement["Action"]) if ":Describe" not in action and ":Get" not in action
        ]
        if writes:
            names = [each.rpartition("autoScalingGroupName/")[2] for each in as_list(statement["Resource"])]
            assert sorted(names) == sorted(groups)


def test_the_outputs_are_what_the_stack_asks_for(whole: Applied) -> None:
    outputs = whole.terraform.outputs()
    assert sourced(outputs["exports"]) == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "SENTIMENT_BUCKET": BUCKET,
        "SENTIMENT_REGISTRY": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com",
        "KUBERNETES_CONTEXT": "sentiment",
    }
    assert outputs["kubeconfig"] == "aws eks update-kubeconfig --region us-east-1 --name sentiment --alias sentiment"
    assert outputs["cluster_name"] == "sentiment"
    assert outputs["role_arns"]["step"] == f"arn:aws:iam::{ACCOUNT}:role/sentiment-step"
    (database,) = whole.client("rds").describe_db_instances()["DBInstances"]
    assert outputs["database_address"] == database["Endpoint"]["Address"]


# The accounts of the database

# Secrets are files, and a pod is a process here that reaches another PostgreSQL.
KUBECTL = """#!/bin/bash
set -euo pipefail
echo "$*" >>"$STORE/arguments"
[ "$1 $2" = "--namespace sentiment" ] && shift 2
case "$1 ${2:-}" in
  "get secret") [ ! -e "$STORE/$3" ] || echo "secret/$3" ;;
  "create secret") echo "$4" && cat "${5#*=}" ;;
  "apply --server-side") read -r name && cat >"$STORE/$name" ;;
  run\\ *)
    while [ "$1" != "--" ]; do
      case "$1" in --env=PGUSER=* | --env=PGDATABASE=*) export "${1#--env=}" ;; esac
      shift
    done
    shift
    exec "$@"
    ;;
  *) exit 9 ;;
esac
"""
AWS = """#!/bin/bash
[[ "$*" == "secretsmanager get-secret-value --region us-east-1 --secret-id $SECRET "* ]] || exit 9
echo '{"username": "master", "password": "the masters own"}'
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        # As on RDS: no superuser.
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB")
        yield server
    finally:
        server.delete()


@dataclass(frozen=True)
class Secrets:
    """Runs make-databases.sh; the Secrets that it made are files in a folder."""

    folder: Path
    script: Path
    environment: Mapping[str, str]

    def make(self) -> None:
        made = subprocess.run(
            [self.script], env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stdout + made.stderr

    def __getitem__(self, name: str) -> dict[str, str]:
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        return dict(line.replace(" = ", "=").split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def secrets(whole: Applied, postgres: PostgresServer, tmp_path: Path) -> Secrets:
    binaries, store = tmp_path / "bin", tmp_path / "store"
    binaries.mkdir()
    store.mkdir()
    for name, text in (("kubectl", KUBECTL), ("aws", AWS)):
        (binaries / name).write_text(text, encoding="utf-8")
        (binaries / name).chmod(0o755)
    client = Path(pgserver.__file__).parent / "pginstall" / "bin"
    environment = {
        **whole.terraform.environment,
        "PATH": f"{binaries}:{client}:{os.environ['PATH']}",
        "STORE": str(store),
        "SECRET": whole.terraform.outputs()["database_secret_arn"],
        "PGHOST": host(postgres),
    }
    return Secrets(store, whole.terraform.folder / "make-databases.sh", environment)


def host(postgres: PostgresServer) -> str:
    return str(conninfo_to_dict(postgres.url)["host"])


def test_each_account_has_a_database_of_its_own(whole: Applied, postgres: PostgresServer, secrets: Secrets) -> None:
    secrets.make()
    address = whole.terraform.outputs()["database_address"]
    password = secrets["mlflow-postgres"]["password"]
    uri = f"postgresql+psycopg://mlflow:{password}@{address}:5432/mlflow?sslmode=require"
    assert secrets["mlflow"]["MLFLOW_BACKEND_STORE_URI"] == uri
    assert secrets["mlflow"]["ARTIFACTS"] == f"s3://{MLFLOW_BUCKET}/mlflow"
    assert secrets["mlflow-auth"]["database_uri"] == uri
    url = make_url(secrets["sentiment-endpoint"]["SENTIMENT_DATABASE_URL"])
    assert (url.username, url.host, url.database, url.query) == ("predictions", address, "predictions", SSL)

    for name, other in (("mlflow", "predictions"), ("predictions", "mlflow")):
        with psycopg.connect(host=host(postgres), user=name, dbname=name) as connection:
            connection.execute("CREATE TABLE kept (id int)")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(host=host(postgres), user=name, dbname=other)

    seen = (secrets.folder / "arguments").read_text(encoding="utf-8")
    for value in (password, str(url.password), secrets["mlflow-auth"]["admin_password"], "the masters own"):
        assert len(value) > 12
        assert value not in seen


def test_what_broke_off_is_made_good_and_what_is_there_stays(postgres: PostgresServer, secrets: Secrets) -> None:
    secrets.make()
    first = {name: secrets[name] for name in ("mlflow", "mlflow-auth", "mlflow-postgres", "sentiment-endpoint")}
    secrets.make()
    assert {name: secrets[name] for name in first} == first
    (secrets.folder / "mlflow-postgres").unlink()
    secrets.make()
    assert secrets["mlflow-postgres"]["password"] in secrets["mlflow"]["MLFLOW_BACKEND_STORE_URI"]
    assert secrets["mlflow-postgres"] != first["mlflow-postgres"]
    assert secrets["sentiment-endpoint"] == first["sentiment-endpoint"]
