"""Buckets of the site's S3 and GCS servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import httpx
from botocore.config import Config

from e2e.kube import Cluster, Manifest
from e2e.namespace import Namespace
from e2e.target import Target


@dataclass(frozen=True)
class Storage:
    """Where tests put model files; every URI that comes back can be a storageUri."""

    target: Target
    s3: Any
    gcs_url: str

    def s3_folder(self, bucket: str, prefix: str, files: Mapping[str, bytes]) -> str:
        """Put files into an S3 bucket, which is made first; the folder's URI."""
        self.s3_bucket(bucket)
        for name, content in files.items():
            self.s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)
        return f"s3://{bucket}/{prefix}"

    def s3_bucket(self, bucket: str) -> None:
        """Make a bucket unless it is there."""
        if bucket not in {entry["Name"] for entry in self.s3.list_buckets()["Buckets"]}:
            self.s3.create_bucket(Bucket=bucket)

    def gcs_folder(self, bucket: str, prefix: str, files: Mapping[str, bytes]) -> str:
        """Put files into a GCS bucket, which is made first; the folder's URI."""
        with httpx.Client(base_url=self.gcs_url) as gcs:
            made = gcs.post("/storage/v1/b?project=e2e", json={"name": bucket})
            assert made.status_code in (200, 409), made.text
            for name, content in files.items():
                where = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(f'{prefix}/{name}', safe='')}"
                gcs.post(where, content=content).raise_for_status()
        return f"gs://{bucket}/{prefix}"

    def credentials(self, name: str, key: str | None = None, secret: str | None = None) -> Manifest:
        """A secret with the S3 server's address and keys as KServe's documents have them."""
        keys = {
            "AWS_ACCESS_KEY_ID": key or self.target.need("S3_ACCESS_KEY"),
            "AWS_SECRET_ACCESS_KEY": secret or self.target.need("S3_SECRET_KEY"),
        }
        annotations = {
            "serving.kserve.io/s3-endpoint": urlsplit(self.target.need("S3_ENDPOINT")).netloc,
            "serving.kserve.io/s3-usehttps": "0",
            "serving.kserve.io/s3-region": "us-east-1",
            "serving.kserve.io/s3-usevirtualbucket": "false",
        }
        metadata = {"name": name, "annotations": annotations}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}


def namespace_with_keys(cluster: Cluster, storage: Storage, name: str) -> Namespace:
    """Make a namespace whose default service account has the S3 server's keys, as KServe's documents have it."""
    cluster.kubectl("create", "namespace", name)
    space = Namespace(cluster, name)
    space.apply(storage.credentials("s3"))
    space.until("the default service account exists", lambda: space.find("ServiceAccount", "default"))
    space.kubectl("patch", "serviceaccount", "default", "-p", '{"secrets": [{"name": "s3"}]}')
    return space


def open_storage(target: Target) -> Storage:
    """The storage servers that the target's environment names."""
    s3 = boto3.client(
        "s3",
        endpoint_url=target.need("S3_ENDPOINT"),
        aws_access_key_id=target.need("S3_ACCESS_KEY"),
        aws_secret_access_key=target.need("S3_SECRET_KEY"),
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    return Storage(target, s3, target.need("STORAGE_EMULATOR_HOST"))
