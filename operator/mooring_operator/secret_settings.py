"""What of a storage secret may be read by the operator."""

S3_SETTING_KEYS = frozenset(
    {
        "S3_ENDPOINT",
        "AWS_ENDPOINT_URL",
        "AWS_DEFAULT_REGION",
        "S3_USE_HTTPS",
        "S3_VERIFY_SSL",
        "S3_USER_VIRTUAL_BUCKET",
        "S3_USE_ACCELERATE",
        "awsAnonymousCredential",
        "AWS_CA_BUNDLE",
        "https-host",
    }
)
"""Keys of a secret whose values are settings, not credentials; no other value leaves `secret_keys`."""
