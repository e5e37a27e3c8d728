"""Credentials are found by shape or by what they are assigned to; prose about passwords is not."""

import pytest

from guardrails.rail import Context
from guardrails.secrets import REMOVED, Secrets

# Written in two parts, so that no scanner takes this file for a leak.
FOUND = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "github_pat_" + "11ABCDEFG0" * 7,
    "glpat-" + "x9Y8z7W6v5U4t3S2r1Q0",
    "xoxb-" + "123456789012-abcdefABCDEF",
    "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0k1L2",
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "npm_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "SG." + "a1B2c3D4e5F6g7H8.i9J0k1L2m3N4o5P6q7R8",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "postgres://admin:" + "s3cr3tPw@db.example.org/app",
    "password = 'hunter2!X'",
    "API_KEY=9f86d081884c7d65",
    "db_password: Tr0ub4dor&3",
    "my password is Winter2024!",
    "Authorization: Bearer abcdef0123456789ABCDEF.xyz",
    "secret_token := 'q7$kLm29zz'",
    "AccountKey=" + "A1b2C3d4" * 10 + "==",
]
PASSED = [
    "Your password must have twelve characters.",
    "How do I reset my password?",
    "password: required",
    "Set API_KEY=your_api_key_here before you start.",
    "token = os.environ['TOKEN']",
    "The secret is to listen.",
    "secret: please ask the help desk",
    "password=<your password>",
    "PASSWORD=${DB_PASSWORD}",
    "Passwords are changed every 90 days.",
    "The token bucket refills once a second.",
    "api_key: string",
    "https://example.org/path?a=b",
    "Order AK12345678 was shipped.",
    "commit 595f707 lays down the core",
    "The AWS access key is rotated by the security team.",
    "password: ********",
    "Credential: none",
    "Send a bearer of good news.",
    "Use ssh keys instead of passwords.",
    "skills and risk-based approach to desk-booking",
    "The token expired: changeme",
]


@pytest.mark.parametrize("text", FOUND)
def test_a_credential_is_found_and_removed(text):
    finding = Secrets().check(Context("output", f"It says {text} there."))
    assert finding.score == 1.0
    assert REMOVED in finding.redacted
    assert Secrets().check(Context("output", finding.redacted)).score == 0.0


@pytest.mark.parametrize("text", PASSED)
def test_prose_about_secrets_passes(text):
    assert Secrets().check(Context("output", text)).score == 0.0
