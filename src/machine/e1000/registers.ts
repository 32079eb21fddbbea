/**
 * Registers of the 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual, chapter 13), named as there. Numbers are byte offsets divided by 4.
 */

export const CTRL = 0x0000 >> 2;
export const CTRL_FULL_DUPLEX = 1 << 0;
/** Set link up: the MAC takes the link that the PHY reports. */
export const CTRL_SLU = 1 << 6;
export const CTRL_SPEED = 3 << 8;
export const CTRL_SPEED_1000 = 2 << 8;
/** The speed is CTRL_SPEED, not the PHY's. */
export const CTRL_FORCE_SPEED = 1 << 11;
/** Duplex is CTRL_FULL_DUPLEX, not what the PHY has found: full. */
export const CTRL_FORCE_DUPLEX = 1 << 12;
export const CTRL_RESET = 1 << 26;

export const STATUS = 0x0008 >> 2;
export const STATUS_FULL_DUPLEX = 1 << 0;
export const STATUS_LINK_UP = 1 << 1;
export const STATUS_SPEED_SHIFT = 6;

export const EECD = 0x0010 >> 2;
export const EERD = 0x0014 >> 2;
export const CTRL_EXT = 0x0018 >> 2;
export const MDIC = 0x0020 >> 2;
export const FCAL = 0x0028 >> 2;
export const FCAH = 0x002c >> 2;
export const FCT = 0x0030 >> 2;
export const VET = 0x0038 >> 2;

export const ICR = 0x00c0 >> 2;
export const ITR = 0x00c4 >> 2;
export const ICS = 0x00c8 >> 2;
export const IMS = 0x00d0 >> 2;
export const IMC = 0x00d8 >> 2;

/** Interrupt causes. */
export const TXDW = 1 << 0;
export const TXQE = 1 << 1;
export const LSC = 1 << 2;
export const RXDMT0 = 1 << 4;
export const RXO = 1 << 6;
export const RXT0 = 1 << 7;
export const MDAC = 1 << 9;
export const CAUSES = 0x0001ffff;

export const RCTL = 0x0100 >> 2;
export const RCTL_ENABLE = 1 << 1;
/** Store bad packets. */
export const RCTL_SBP = 1 << 2;
/** Unicast and multicast promiscuous. */
export const RCTL_UPE = 1 << 3;
export const RCTL_MPE = 1 << 4;
/** Long packet enable: up to 16384 bytes instead of 1522. */
export const RCTL_LPE = 1 << 5;
export const RCTL_RDMTS_SHIFT = 8;
export const RCTL_MO_SHIFT = 12;
/** Broadcast accept mode. */
export const RCTL_BAM = 1 << 15;
export const RCTL_BSIZE_SHIFT = 16;
export const RCTL_BSEX = 1 << 25;
/** Strip Ethernet CRC. */
export const RCTL_SECRC = 1 << 26;

export const FCTTV = 0x0170 >> 2;
export const TXCW = 0x0178 >> 2;

export const TCTL = 0x0400 >> 2;
export const TCTL_ENABLE = 1 << 1;
/** Pad short packets. */
export const TCTL_PSP = 1 << 3;
export const TIPG = 0x0410 >> 2;
export const AIFS = 0x0458 >> 2;
export const LEDCTL = 0x0e00 >> 2;
export const PBA = 0x1000 >> 2;
export const FCRTL = 0x2160 >> 2;
export const FCRTH = 0x2168 >> 2;

export const RDBAL = 0x2800 >> 2;
export const RDTR = 0x2820 >> 2;
export const RXDCTL = 0x2828 >> 2;
export const RADV = 0x282c >> 2;
export const RSRPD = 0x2c00 >> 2;
export const TDBAL = 0x3800 >> 2;
export const TIDV = 0x3820 >> 2;
export const TXDCTL = 0x3828 >> 2;
export const TADV = 0x382c >> 2;
export const TSPMT = 0x3830 >> 2;

/** Statistics, from here to before the end. */
export const STATISTICS = 0x4000 >> 2;
export const STATISTICS_END = 0x4100 >> 2;

export const RXCSUM = 0x5000 >> 2;
/** Multicast table array, 128 registers. */
export const MTA = 0x5200 >> 2;
/** Receive addresses, 16 pairs RAL and RAH. */
export const RA = 0x5400 >> 2;
export const RAH_VALID = 2 ** 31;
export const VFTA = 0x5600 >> 2;
export const WUC = 0x5800 >> 2;
export const WUFC = 0x5808 >> 2;
export const MANC = 0x5820 >> 2;

/** Number of registers kept: up to offset 0x5fff. */
export const REGISTERS = 0x6000 >> 2;
