"""HTTP to Zendesk: one `Transport` per account over a shared session. What the answers mean is for `core.zendesk`."""
