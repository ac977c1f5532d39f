def test_a_folder_of_accounts_makes_up_for_accounts(loaded):
    assert loaded("accounts_dir: accounts\n", with_account=False).accounts == ()
