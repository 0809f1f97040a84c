from campaigns.link_domains import link_domains


def test_each_domain_is_named_once_in_text_and_html():
    html = '<a href="https://c.example/x">Book</a> <a href="https://other.example">Other</a>'

    assert link_domains("Book at https://c.example/a or bit.ly/b.", html) == [
        "c.example", "bit.ly", "other.example",
    ]  # fmt: skip
    assert link_domains("No link. Reply STOP.") == []
