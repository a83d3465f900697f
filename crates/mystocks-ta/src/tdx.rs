//! The functions and formulas of the Chinese charting programs (Tongdaxin and its kin), as MyTT defines them.
//!
//! The reference is MyTT (<https://github.com/mpquant/MyTT>), version 2.9.3 on PyPI with its rounding to 3 decimals switched off; `CR`,
//! `XSII`, `BETWEEN`, `TOPRANGE`, `LOWRANGE` and a `DMA` of many weights are of version 3 on GitHub. The functions here are of level 0
//! and 1, a series in and a series of the same length out. The indicators made of them are in the [registry](crate::registry()),
//! named `TDX_…` where TA-Lib has another formula under the plain name.
//!
//! A missing value is NaN. A function of the last `n` values has none (NaN) until there are `n` and while one of them is missing; an
//! infinity counts as missing; with `n` 0, where nothing else is said, there never is a value.
//!
//! ```
//! use mystocks_ta::tdx::{barslast, cross, hhv, ma, ref_};
//!
//! let close = [10.0, 11.0, 12.0, 11.0, 10.0, 12.0, 13.0];
//! assert_eq!(ref_(&close, 2)[2..], [10.0, 11.0, 12.0, 11.0, 10.0]);
//! assert_eq!(hhv(&close, 3)[2..], [12.0, 12.0, 12.0, 12.0, 13.0]);
//! let golden = cross(&ma(&close, 2), &ma(&close, 3));
//! assert_eq!(golden, [false, false, true, false, false, false, true]);
//! assert_eq!(barslast(&golden), [1, 2, 0, 1, 2, 3, 0]);
//! ```
//!
//! # Formulas of the indicators
//!
//! `O H L C V` are the columns of the bars; functions are those of this module, `EMA` seeded with the first value, `STD` over n.
//! "First" counts the bars before the first value of each output, with the default parameters. From there on every value is finite,
//! except where a ratio of sums has nothing to divide by (VR, BRAR, CR): there is none then, and the value is NaN.
//!
//! | indicator | formula | first | where it would divide by 0 |
//! |---|---|---|---|
//! | `TDX_MACD` | dif = EMA(C,short) - EMA(C,long); dea = EMA(dif,m); macd = (dif - dea) * 2 | 0 0 0 | |
//! | `TDX_BOLL` | mid = MA(C,n); upper, lower = mid ± STD(C,n) * p | 19 | |
//! | `BBI` | (MA(C,m1) + MA(C,m2) + MA(C,m3) + MA(C,m4)) / 4 | 19 | |
//! | `DMI` | tr = SUM(MAX(H-L, \|H-REF(C,1)\|, \|L-REF(C,1)\|), m1); hd = H - REF(H,1); ld = REF(L,1) - L; pdi = SUM(IF(hd>0 & hd>ld, hd, 0), m1) * 100 / tr; mdi = SUM(IF(ld>0 & ld>hd, ld, 0), m1) * 100 / tr; adx = MA(\|mdi-pdi\| / (pdi+mdi) * 100, m2); adxr = (adx + REF(adx,m2)) / 2 | 14 14 19 25 | no range: pdi = mdi = 0; no direction: 0 goes into adx |
//! | `TAQ` | up = HHV(H,n); down = LLV(L,n); mid = (up + down) / 2 | 19 | |
//! | `KTN` | mid = EMA((H+L+C)/3, n); upper, lower = mid ± 2 * `TDX_ATR`(m) | 10 0 10 | |
//! | `TDX_TRIX` | tr = EMA(EMA(EMA(C,m1),m1),m1); trix = (tr - REF(tr,1)) / REF(tr,1) * 100; trma = MA(trix,m2) | 1 20 | |
//! | `DFMA` | dif = MA(C,n1) - MA(C,n2); difma = MA(dif,m) | 49 58 | |
//! | `EXPMA` | ema1 = EMA(C,n1); ema2 = EMA(C,n2) | 0 0 | |
//! | `XSII` | p = (2C+H+L)/4; aa = MA(p,5); td1 = aa*n/100; td2 = aa*(200-n)/100; dd = DMA(C, \|p-MA(C,20)\| / MA(C,20)); td3, td4 = (1 ± m/100) * dd | 4 4 0 0 | |
//! | `TDX_ATR` | MA(MAX(H-L, \|REF(C,1)-H\|, \|REF(C,1)-L\|), n) | 20 | |
//! | `MASS` | a = MA(H-L,n1); mass = SUM(a / MA(a,n1), n2); ma_mass = MA(mass,m) | 40 45 | no range: 1 goes into mass |
//! | `TDX_KDJ` | rsv = (C-LLV(L,n)) / (HHV(H,n)-LLV(L,n)) * 100; k = EMA(rsv,2m1-1); d = EMA(k,2m2-1); j = 3k - 2d | 8 | flat window: k keeps its value, d goes on towards it, and the older k weighs (1 - 1/m1) a day less when the next rsv comes; 50 before the first rsv |
//! | `TDX_RSI` | dif = C - REF(C,1); SMA(MAX(dif,0),n,1) / SMA(\|dif\|,n,1) * 100 | 1 | nothing moved (or so long ago that both averages have died away): the last value, 50 if there is none |
//! | `WR` | (HHV(H,n)-C) / (HHV(H,n)-LLV(L,n)) * 100, and wr1 over n1 | 9 5 | flat window: 50 |
//! | `BIAS` | (C-MA(C,l)) / MA(C,l) * 100 for l1, l2, l3 | 5 11 23 | |
//! | `PSY` | psy = COUNT(C>REF(C,1), n) / n * 100; psyma = MA(psy,m) | 11 16 | |
//! | `TDX_CCI` | tp = (H+L+C)/3; (tp-MA(tp,n)) / (0.015 * AVEDEV(tp,n)) | 13 | flat window: 0 |
//! | `TDX_DPO` | dpo = C - REF(MA(C,m1),m2); madpo = MA(dpo,m3) | 29 34 | |
//! | `MTM` | mtm = C - REF(C,n); mtmma = MA(mtm,m) | 12 17 | |
//! | `TDX_ROC` | roc = 100 * (C-REF(C,n)) / REF(C,n); maroc = MA(roc,m) | 12 17 | |
//! | `TDX_ASI` | lc = REF(C,1); aa = \|H-lc\|; bb = \|L-lc\|; cc = \|H-REF(L,1)\|; dd = \|lc-REF(O,1)\|; r = IF(aa>bb & aa>cc, aa+bb/2+dd/4, IF(bb>cc & bb>aa, bb+aa/2+dd/4, cc+dd/4)); si = 16 * (C-lc+(C-O)/2+lc-REF(O,1)) / r * MAX(aa,bb); asi = SUM(si,m1); asit = MA(asi,m2) | 26 35 | r = 0: si = 0 |
//! | `VR` | SUM(IF(C>REF(C,1),V,0),m1) / SUM(IF(C<=REF(C,1),V,0),m1) * 100 | 25 | NaN |
//! | `TDX_EMV` | vol = MA(V,n)/V; mid = 100 * (H+L-REF(H+L,1)) / (H+L); emv = MA(mid * vol * (H-L) / MA(H-L,n), n); maemv = MA(emv,m) | 26 34 | a day without trade, or n days without range: 0 goes into emv |
//! | `BRAR` | ar = SUM(H-O,m1) / SUM(O-L,m1) * 100; br = SUM(MAX(0,H-REF(C,1)),m1) / SUM(MAX(0,REF(C,1)-L),m1) * 100 | 25 26 | NaN |
//! | `CR` | mid = REF(H+L+C,1)/3; SUM(MAX(0,H-mid),n) / SUM(MAX(0,mid-L),n) * 100 | 20 | NaN |
//! | `TDX_OBV` | SUM(IF(C>REF(C,1), V, IF(C<REF(C,1), -V, 0)), 0) / 10000 | 0 | |
//! | `TDX_MFI` | tp = (H+L+C)/3; v1 = SUM(IF(tp>REF(tp,1),tp*V,0),n) / SUM(IF(tp<REF(tp,1),tp*V,0),n); 100 - 100/(1+v1) | 13 | nothing fell: 100; nothing moved: 50 |

mod cells;
mod condition;
pub(crate) mod formula;
pub(crate) mod momentum;
mod ratio;
mod series;
mod smoothing;
pub(crate) mod trend;
pub(crate) mod volume;
mod window;

pub use condition::{
    barslast, barslastcount, barssincen, between, count, cross, every, exist, filter, last, longcross,
    lowrange, toprange, valuewhen,
};
pub use series::{
    avedev, const_, diff, dma, ema, forcast, hhv, hhvbars, llv, llvbars, ma, ref_, slope, sma, std, sum, wma,
};
