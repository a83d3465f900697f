//! Which columns every TA-Lib function reads as a stream, and how many parameters it takes.

use ta_lib::abstract_api::FuncId;
use ta_lib::{Core, RetCode};

use super::handle::{Arguments, Columns, Opened, opened};

/// Makes of every entry a call of its function: TA-Lib's own table of functions by number has no streams.
macro_rules! open_by_number {
    ($($columns:tt => { $($id:ident $open:ident $parameters:tt,)* })*) => {
        /// Opens the stream of `function` on `columns`, which must hold more bars than its lookback.
        pub(super) fn open(
            function: FuncId,
            core: &Core,
            columns: &Columns<'_>,
            arguments: &mut Arguments,
        ) -> Result<Opened, RetCode> {
            match function {
                $($(FuncId::$id => open_one!(core.$open, columns, arguments, $columns, $parameters),)*)*
                _ => Err(RetCode::BadParam),
            }
        }
    };
}

macro_rules! open_one {
    ($core:ident.$open:ident, $columns:ident, $arguments:ident, ($($column:ident)*), ($($parameter:tt)*)) => {{
        let (stream, first) = $core.$open($($columns.$column,)* $($arguments.next::<$parameter>()?,)*)?;
        Ok(opened(
            stream,
            first,
            |stream, point| stream.update($(point.$column),*),
            |stream, point| stream.peek($(point.$column),*),
        ))
    }};
}

open_by_number! {
    (close) => {
        ACOS acos_open (), ALMA alma_open (_ _ _), APO apo_open (_ _ _), ASIN asin_open (),
        ATAN atan_open (), AVGDEV avgdev_open (_), BBANDS bbands_open (_ _ _ _), BBW bbw_open (_ _ _ _),
        CEIL ceil_open (), CG cg_open (_), CMO cmo_open (_), CMOU cmou_open (_),
        COPPOCK coppock_open (_ _ _), COS cos_open (), COSH cosh_open (), CRSI crsi_open (_ _ _),
        CTI cti_open (_), CUMSUM cumsum_open (), DEMA dema_open (_), DOSC dosc_open (_ _ _ _),
        DPO dpo_open (_), EMA ema_open (_), ER er_open (_), EXP exp_open (), FLOOR floor_open (),
        FOSC fosc_open (_), HMA hma_open (_), HT_DCPERIOD ht_dcperiod_open (),
        HT_DCPHASE ht_dcphase_open (), HT_PHASOR ht_phasor_open (), HT_SINE ht_sine_open (),
        HT_TRENDLINE ht_trendline_open (), HT_TRENDMODE ht_trendmode_open (), KAMA kama_open (_),
        KST kst_open (_ _ _ _ _ _ _ _ _), KSTEXT kstext_open (_ _ _ _ _ _ _ _ _ _ _),
        KURTOSIS kurtosis_open (_), LINEARREG linearreg_open (_), LINEARREG_ANGLE linearreg_angle_open (_),
        LINEARREG_INTERCEPT linearreg_intercept_open (_), LINEARREG_SLOPE linearreg_slope_open (_),
        LN ln_open (), LOG10 log10_open (), MA ma_open (_ _), MACD macd_open (_ _ _),
        MACDEXT macdext_open (_ _ _ _ _ _), MACDFIX macdfix_open (_), MAMA mama_open (_ _),
        MAX max_open (_), MAXINDEX maxindex_open (_), MCGD mcgd_open (_), MEDIAN median_open (_),
        MIDPOINT midpoint_open (_), MIN min_open (_), MININDEX minindex_open (_), MINMAX minmax_open (_),
        MINMAXINDEX minmaxindex_open (_), MOM mom_open (_), PERCENTB percentb_open (_ _ _ _),
        PERCENTILE percentile_open (_ _), PERCENTRANK percentrank_open (_), PPO ppo_open (_ _ _),
        RMA rma_open (_), ROC roc_open (_), ROCP rocp_open (_), ROCR rocr_open (_),
        ROCR100 rocr100_open (_), RSI rsi_open (_), RVI rvi_open (_ _), SIN sin_open (), SINH sinh_open (),
        SMA sma_open (_), SQRT sqrt_open (), STC stc_open (_ _ _), STDDEV stddev_open (_ _),
        STOCHRSI stochrsi_open (_ _ _ _), SUM sum_open (_), SWAK_2PHP swak_2php_open (_),
        SWAK_BP swak_bp_open (_ _), SWAK_BUTTER swak_butter_open (_), SWAK_GAUSS swak_gauss_open (_),
        SWAK_HP swak_hp_open (_), T3 t3_open (_ _), TAN tan_open (), TANH tanh_open (), TEMA tema_open (_),
        TRIMA trima_open (_), TRIX trix_open (_), TSF tsf_open (_), TSI tsi_open (_ _), VAR var_open (_ _),
        VHF vhf_open (_), VIDYA vidya_open (_ _), WMA wma_open (_), ZLEMA zlema_open (_),
    }
    (open high low close) => {
        ASI asi_open (_), AVGPRICE avgprice_open (), BOP bop_open (), CDL2CROWS cdl2crows_open (),
        CDL3BLACKCROWS cdl3blackcrows_open (), CDL3INSIDE cdl3inside_open (),
        CDL3LINESTRIKE cdl3linestrike_open (), CDL3OUTSIDE cdl3outside_open (),
        CDL3STARSINSOUTH cdl3starsinsouth_open (), CDL3WHITESOLDIERS cdl3whitesoldiers_open (),
        CDLABANDONEDBABY cdlabandonedbaby_open (_), CDLADVANCEBLOCK cdladvanceblock_open (),
        CDLBELTHOLD cdlbelthold_open (), CDLBREAKAWAY cdlbreakaway_open (),
        CDLCLOSINGMARUBOZU cdlclosingmarubozu_open (), CDLCONCEALBABYSWALL cdlconcealbabyswall_open (),
        CDLCOUNTERATTACK cdlcounterattack_open (), CDLDARKCLOUDCOVER cdldarkcloudcover_open (_),
        CDLDOJI cdldoji_open (), CDLDOJISTAR cdldojistar_open (), CDLDRAGONFLYDOJI cdldragonflydoji_open (),
        CDLENGULFING cdlengulfing_open (), CDLEVENINGDOJISTAR cdleveningdojistar_open (_),
        CDLEVENINGSTAR cdleveningstar_open (_), CDLGAPSIDESIDEWHITE cdlgapsidesidewhite_open (),
        CDLGRAVESTONEDOJI cdlgravestonedoji_open (), CDLHAMMER cdlhammer_open (),
        CDLHANGINGMAN cdlhangingman_open (), CDLHARAMI cdlharami_open (),
        CDLHARAMICROSS cdlharamicross_open (), CDLHIGHWAVE cdlhighwave_open (),
        CDLHIKKAKE cdlhikkake_open (), CDLHIKKAKEMOD cdlhikkakemod_open (),
        CDLHOMINGPIGEON cdlhomingpigeon_open (), CDLIDENTICAL3CROWS cdlidentical3crows_open (),
        CDLINNECK cdlinneck_open (), CDLINVERTEDHAMMER cdlinvertedhammer_open (),
        CDLKICKING cdlkicking_open (), CDLKICKINGBYLENGTH cdlkickingbylength_open (),
        CDLLADDERBOTTOM cdlladderbottom_open (), CDLLONGLEGGEDDOJI cdllongleggeddoji_open (),
        CDLLONGLINE cdllongline_open (), CDLMARUBOZU cdlmarubozu_open (),
        CDLMATCHINGLOW cdlmatchinglow_open (), CDLMATHOLD cdlmathold_open (_),
        CDLMORNINGDOJISTAR cdlmorningdojistar_open (_), CDLMORNINGSTAR cdlmorningstar_open (_),
        CDLONNECK cdlonneck_open (), CDLPIERCING cdlpiercing_open (), CDLRICKSHAWMAN cdlrickshawman_open (),
        CDLRISEFALL3METHODS cdlrisefall3methods_open (), CDLSEPARATINGLINES cdlseparatinglines_open (),
        CDLSHOOTINGSTAR cdlshootingstar_open (), CDLSHORTLINE cdlshortline_open (),
        CDLSPINNINGTOP cdlspinningtop_open (), CDLSTALLEDPATTERN cdlstalledpattern_open (),
        CDLSTICKSANDWICH cdlsticksandwich_open (), CDLTAKURI cdltakuri_open (),
        CDLTASUKIGAP cdltasukigap_open (), CDLTHRUSTING cdlthrusting_open (), CDLTRISTAR cdltristar_open (),
        CDLUNIQUE3RIVER cdlunique3river_open (), CDLUPSIDEGAP2CROWS cdlupsidegap2crows_open (),
        CDLXSIDEGAP3METHODS cdlxsidegap3methods_open (), HA ha_open (),
        ROGERSSATCHELL rogerssatchell_open (_ _), SI si_open (_),
    }
    (high low close) => {
        ACCBANDS accbands_open (_), ADX adx_open (_), ADXR adxr_open (_), ATR atr_open (_),
        CCI cci_open (_), CHOP chop_open (_), CHOPTR choptr_open (_), CKSP cksp_open (_ _ _),
        DX dx_open (_), ERI eri_open (_), IBS ibs_open (), KC kc_open (_ _ _), KDJ kdj_open (_ _ _ _ _),
        MINUS_DI minus_di_open (_), NATR natr_open (_), PLUS_DI plus_di_open (_), PSO pso_open (_ _),
        SMI smi_open (_ _ _ _), SQZMOM sqzmom_open (_ _ _ _ _ _), STOCH stoch_open (_ _ _ _ _),
        STOCHF stochf_open (_ _ _), SUPERTREND supertrend_open (_ _), TRANGE trange_open (),
        TYPPRICE typprice_open (), ULTOSC ultosc_open (_ _ _), VORTEX vortex_open (_), WAD wad_open (),
        WAVETREND wavetrend_open (_ _ _), WCLPRICE wclprice_open (), WILLR willr_open (_),
    }
    (high low) => {
        AC ac_open (_ _ _), ADD add_open (), ADR adr_open (_), AO ao_open (_ _), AROON aroon_open (_),
        AROONOSC aroonosc_open (_), BETA beta_open (_), CORREL correl_open (_), CVI cvi_open (_ _),
        DIV div_open (), DONCHIAN donchian_open (_), FISHER fisher_open (_), FRACTAL fractal_open (_ _),
        FRAMA frama_open (_), ICHIMOKU ichimoku_open (_ _ _), MASSI massi_open (_ _),
        MEDPRICE medprice_open (), MIDPRICE midprice_open (_), MINUS_DM minus_dm_open (_),
        MULT mult_open (), PLUS_DM plus_dm_open (_), RVIR rvir_open (_ _), SAR sar_open (_ _),
        SAREXT sarext_open (_ _ _ _ _ _ _ _), SUB sub_open (), ZIGZAG zigzag_open (_ _),
    }
    (high low close volume) => {
        AD ad_open (), ADOSC adosc_open (_ _), CMF cmf_open (_), KVO kvo_open (_ _ _), MFI mfi_open (_),
        VWAP vwap_open (),
    }
    (high low volume) => {
        EMV emv_open (_ _), MARKETFI marketfi_open (),
    }
    (close volume) => {
        EFI efi_open (_), NVI nvi_open (), OBV obv_open (), PVI pvi_open (), PVT pvt_open (),
        VWMA vwma_open (_),
    }
    (volume) => {
        PVO pvo_open (_ _ _), RVOL rvol_open (_),
    }
    (open close) => {
        IMI imi_open (_), QSTICK qstick_open (_),
    }
    (close periods) => {
        MAVP mavp_open (_ _ _),
    }
}
