/* pxectl: the operator's tool. Everything is in the library, so that tests can call it. */
#include "ctl/ctl.h"

int main(int argc, char **argv)
{
	return ctl_main(argc, argv);
}
