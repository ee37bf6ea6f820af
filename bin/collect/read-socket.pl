# Binds a Unix datagram socket, which Node cannot, and hands on what arrives: the length of each datagram as a line, then
# its octets. The first line is `ready`. Ends, and removes the socket, when its standard input does.
use strict;
use warnings;
use Socket;

# Far above what libtlsrpt sends, and what Linux lets through by default.
use constant DATAGRAM_BYTES_MAX => 262_144;

my ($path, $mode) = @ARGV;
socket(my $datagrams, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!\n";
# What a predecessor left; anything else is not ours to remove, and fails the bind.
unlink $path if -S $path;
bind($datagrams, pack_sockaddr_un($path)) or die "cannot bind $path: $!\n";
chmod oct($mode), $path or die "cannot change the mode of $path: $!\n";
binmode STDOUT;
$| = 1;
print "ready\n";

my ($parent, $socket) = (fileno STDIN, fileno $datagrams);
while (1) {
  my $readable = '';
  vec($readable, $_, 1) = 1 for $parent, $socket;
  next if select($readable, undef, undef, undef) < 0;
  if (vec($readable, $socket, 1)) {
    defined recv($datagrams, my $datagram, DATAGRAM_BYTES_MAX, 0) or next;
    print length($datagram), "\n", $datagram;
  } elsif (vec($readable, $parent, 1)) {
    last unless sysread STDIN, my $ignored, 1;
  }
}
unlink $path;
