from relay.app.partition_log import PartitionLog


class Lines(list):
    def info(self, event, /, **fields):
        self.append((event, fields))

    debug = warning = error = info


def test_every_line_tells_its_partition_beside_what_it_says():
    lines = Lines()
    log = PartitionLog(lines, 7)
    for say in (log.debug, log.info, log.warning, log.error):
        say("ledger.recovered", seconds=1)
    assert lines == [("ledger.recovered", {"partition": 7, "seconds": 1})] * 4
