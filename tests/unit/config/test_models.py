def test_what_this_version_cannot_serve_is_read_and_told(loaded):
    """So that a configuration for a later version is refused with a sentence and not as a typing error."""
    config = loaded(
        "ledger: {kind: kafka}\n"
        "kafka: {bootstrap_servers: 'kafka:9092, other:9092'}\n"
        "intake: {kafka: {}}\n"
        "sinks: [{name: console, kind: log}, {name: bus, kind: kafka}]\n"
    )
    assert config.kafka.bootstrap_servers == ("kafka:9092", "other:9092")
    assert [sentence.split(": ") for sentence in config.unsupported()] == [
        [key, "is not available in this version"] for key in ("ledger.kind",)
    ]


def test_everything_else_is_served(loaded):
    assert loaded("").unsupported() == ()


def test_a_folder_of_accounts_makes_up_for_accounts(loaded):
    assert loaded("accounts_dir: accounts\n", with_account=False).accounts == ()
